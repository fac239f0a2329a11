/** Contract row 10: wall clock jumps affect neither order nor sequence numbers nor lookups. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { IdSource } from "../../../core/event/id.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { dose } from "../../helpers/dose.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { inFolder } from "../../helpers/start.ts";

const YEAR = 365 * 86_400_000;
const encoder = new TextEncoder();

type Step = { op: "append"; count: number } | { op: "jump"; ms: number } | { op: "reopen" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 700 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("jump" as const),
      ms: fc.integer({ min: -YEAR, max: YEAR }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("reopen" as const) }) },
);

const STORES: Record<string, (folder: string, clock: FakeClock) => JournalStore | undefined> = {
  MemoryEventStore: () => undefined,
  SqliteEventStore: (folder, clock) =>
    new SqliteEventStore(`${folder}/events.db`, { clock, durability: "os" }),
  FileEventStore: (folder, clock) =>
    new FileEventStore(`${folder}/events`, { clock, durability: "os" }),
};

for (const [name, open] of Object.entries(STORES)) {
  Deno.test(`${name} keeps order, seqs and what it finds when the clock jumps between appends`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        await inFolder(async (folder) => {
          const clock = new FakeClock();
          const memory = new MemoryEventStore({ clock });
          let store = open(folder, clock) ?? memory;
          let ids = new IdSource();
          const expected: { id: string; timestamp: number }[] = [];
          for (const { op, ...rest } of steps) {
            if (op === "jump") clock.jump((rest as { ms: number }).ms);
            else if (op === "reopen" && store !== memory) {
              await store.close();
              store = open(folder, clock)!;
              ids = new IdSource();
            } else if (op === "append") {
              const count = (rest as { count: number }).count;
              const events = ids.many(count, clock.now()).map((id) => ({
                id,
                idGiven: false,
                type: "t",
                timestamp: clock.now(),
                schemaVersion: "1.0",
                metadata: "{}",
                payload: encoder.encode("1"),
              }));
              const [outcome] = await store.append([{ topic: "t", events }]);
              assert.equal(outcome?.ok && outcome.firstSeq, expected.length + 1);
              expected.push(...events);
            }
          }
          const found = [];
          for (let from = 1; from <= expected.length;) {
            const page = await store.readPage("t", { from, to: expected.length, limit: 500 });
            found.push(...page.events);
            from = page.next;
          }
          assert.deepEqual(found.map(({ seq }) => seq), expected.map((_, i) => i + 1));
          assert.deepEqual(found.map(({ id }) => id), expected.map(({ id }) => id));
          for (let i = 0; i < expected.length; i += 211) {
            assert.equal((await store.find("t", expected[i]!.id))?.seq, i + 1);
            const at = expected[i]!.timestamp;
            const first = expected.findIndex(({ timestamp }) => timestamp >= at) + 1;
            assert.equal(await store.seekTime("t", at), first, `the first event at or after ${at}`);
          }
          await store.close();
        });
      }),
      { numRuns: dose(15) },
    );
  });
}
