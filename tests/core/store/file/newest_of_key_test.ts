/**
 * The newest event of a key in files, where no index has it: the right one, whatever the keys and
 * payloads look like, and found without parsing the whole topic.
 */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import { newestOfKey } from "../../../../core/store/by_key.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { assertSeeded } from "../../../helpers/seed.ts";
import { heldInOneOf } from "../../../helpers/series.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/data/events";

/** The result, and the number of steps that everything else had its turn between. */
function search(store: FileEventStore, key: string): { seq: number | undefined; steps: number } {
  const search = newestOfKey(store, "t", [key]);
  for (let steps = 0;; steps++) {
    const { done, value } = search.next();
    if (done) return { seq: value?.seq, steps };
  }
}

const keys = fc.constantFrom("a", "ä", '"', "\\", ',"key":"a"', "\ud800", "日本", "a\n", "\u0085");

Deno.test("newestOfKey finds the newest event of any key in files, and takes no payload for a key", async () => {
  const event = fc.record({
    key: fc.option(keys, { nil: undefined }),
    payload: fc.oneof(
      fc.json(),
      keys.map((key) => `{"x":1,"key":${JSON.stringify(key)},"metadata":{}}`),
    ),
  });
  await assertSeeded(
    fc.asyncProperty(
      fc.array(fc.array(event, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 }),
      keys,
      async (appends, key) => {
        const store = new FileEventStore(DIR, {
          disk: new MemoryDisk(),
          segments: { maxBytes: 2_000 },
        });
        const seen: (string | undefined)[] = [];
        for (const events of appends) {
          await store.append([{ topic: "t", events: events.map((one) => newEvent(one)) }]);
          seen.push(...events.map((one) => one.key));
        }
        const wanted = seen.lastIndexOf(key) + 1;
        assert.equal(search(store, key).seq, wanted === 0 ? undefined : wanted);
        await store.close();
      },
    ),
    { numRuns: 100, file: "tests/core/store/file/newest_of_key_test.ts" },
  );
});

Deno.test("newestOfKey looks through files for a key that is not there in less time than half of parsing them, in steps", async () => {
  const store = new FileEventStore(DIR, { disk: new MemoryDisk(), durability: "os" });
  const events = Array.from(
    { length: 1_000 },
    (_, n) => newEvent({ key: `user-${n}`, payload: JSON.stringify({ n, text: "x".repeat(80) }) }),
  );
  for (let n = 0; n < 40; n++) await store.append([{ topic: "t", events }]);
  await heldInOneOf(() => {
    const began = performance.now();
    for (let from = 1; from <= 40_000;) {
      from = store.readPage("t", { from, to: 40_000, limit: 1000 }).next;
    }
    const parsed = performance.now() - began;
    const { seq, steps } = search(store, "nobody");
    assert.equal(seq, undefined);
    assert.ok(steps >= 40, `${steps} steps`);
    const took = performance.now() - began - parsed;
    return Promise.resolve({
      holds: took < parsed / 2,
      figures: `${took.toFixed(1)} ms, all parsed ${parsed.toFixed(1)} ms`,
    });
  });
  await store.close();
});
