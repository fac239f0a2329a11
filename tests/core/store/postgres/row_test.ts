/** Shows that the checksums of many events are those of each alone. */
import assert from "node:assert/strict";
import { contentSum, contentSums } from "../../../../core/store/postgres/row.ts";
import { newEvent } from "../../../../testing/new_event.ts";

Deno.test("contentSums gives each event its own sum when texts are long, or more than a byte a character", () => {
  const fields = [
    {},
    { key: "k" },
    { key: "ключ" },
    { metadata: JSON.stringify({ long: "x".repeat(20_000) }) },
    { metadata: JSON.stringify({ long: "é".repeat(20_000) }) },
    { expiresAt: 5 },
    { payload: '"€"' },
  ];
  for (const count of [0, 1, 1000]) {
    const events = Array.from({ length: count }, (_, i) => newEvent(fields[i % fields.length]));
    assert.deepEqual(contentSums(events), events.map(contentSum));
    const plain = Array.from({ length: count }, (_, i) => newEvent({ type: `t${i}` }));
    assert.deepEqual(contentSums(plain), plain.map(contentSum));
    assert.equal(new Set(contentSums(plain)).size, count);
  }
});
