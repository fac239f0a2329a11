/** The table of a full segment's ids and keys: when each event was stored, and the first format. */
import assert from "node:assert/strict";
import {
  decodeTable,
  encodeTable,
  makeTable,
  search,
  storedAtOf,
} from "../../../../core/store/file/lookup_table.ts";

const ids = Array.from({ length: 9 }, (_, i) => [`id-${i + 11}`, i + 11] as const);
const blocks = [{ firstSeq: 11, storedAt: 500 }, { firstSeq: 13, storedAt: 500 }, {
  firstSeq: 16,
  storedAt: 700,
}, { firstSeq: 18, storedAt: 600 }];

Deno.test("storedAtOf tells when an event was stored, by its block", () => {
  for (const keys of [[], [["k", 12]] as const]) {
    const made = makeTable({ firstSeq: 11, storedAt: 700 }, { ids, keys, blocks });
    const table = decodeTable(encodeTable(made));
    assert.ok(table);
    const times = ids.map(([id]) => storedAtOf(table, search(table.ids, 11, id)[0]!));
    assert.deepEqual(times, [500, 500, 500, 500, 500, 700, 700, 600, 600]);
  }
});

Deno.test("decodeTable reads a table of the first format, whose events have the time of the latest", () => {
  const made = makeTable({ firstSeq: 11, storedAt: 700 }, { ids, keys: [], blocks: [] });
  const bytes = encodeTable(made);
  // The first format was the same without times.
  new DataView(bytes.buffer).setUint32(4, 1, true);
  const table = decodeTable(bytes);
  assert.ok(table);
  assert.deepEqual(search(table.ids, 11, "id-13"), [13]);
  assert.equal(storedAtOf(table, 13), 700);
  new DataView(bytes.buffer).setUint32(4, 3, true);
  assert.equal(decodeTable(bytes), undefined, "a later format is nobody's yet");
});
