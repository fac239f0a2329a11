/** The newest event of each key, whatever lies between them. */
import assert from "node:assert/strict";
import { pagesAtOnce } from "../../helpers/at_once.ts";
import fc from "../../packages/fast_check.ts";
import { MOST_KEYS } from "../../../core/event/limits.ts";
import { newestPerKey } from "../../../core/reading/newest_per_key.ts";
import { type Readable, replay } from "../../../core/reading/replay.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { newEvent } from "../../../testing/new_event.ts";

function finish(steps: Generator<unknown, Readable, undefined>): Readable {
  for (let step = steps.next();; step = steps.next()) if (step.done) return step.value;
}

function parse(pages: Iterable<Uint8Array | Promise<void>>): { topic: string; seq: number }[] {
  const decoder = new TextDecoder();
  return pagesAtOnce(pages).map((page) => decoder.decode(page)).join("").split("\n").filter(Boolean)
    .map((line) => JSON.parse(line)).map(({ topic, seq }) => ({ topic, seq }));
}

const topics = ["a", "b"];
const someEvents = fc.array(
  fc.record({
    topic: fc.constantFrom(...topics),
    type: fc.constantFrom("x", "y"),
    key: fc.constantFrom(undefined, "k1", "k2", "k3", "k4"),
    // Up to two pages of others, so that kept events are near and far.
    gap: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 2000 })),
  }),
  { maxLength: 20 },
);

Deno.test("newestPerKey keeps what a scan of everything keeps, by type, filter, range and limit", async () => {
  await fc.assert(
    fc.asyncProperty(
      someEvents,
      fc.record({
        from: fc.integer({ min: 1, max: 40 }),
        typed: fc.boolean(),
        odd: fc.boolean(),
        limit: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
      }),
      async (events, { from, typed, odd, limit }) => {
        const store = new MemoryEventStore();
        for (const { topic, type, key, gap } of events) {
          const others = Array.from({ length: gap }, () => newEvent({ type: "other" }));
          const one = newEvent(key === undefined ? { type } : { type, key });
          await store.append([{ topic, events: [...others, one] }]);
        }
        const selection = {
          ...(typed ? { types: ["x"] } : {}),
          ...(odd ? { filter: ({ seq }: { seq?: number }) => seq! % 2 === 1 } : {}),
        };
        for (const chosen of [topics, ["a"]]) {
          const ranges = chosen.map((topic) => ({ topic, from, to: store.head(topic).lastSeq }));
          const newest = finish(newestPerKey(store, { ranges, ...selection }));
          const got = parse(replay(newest, { ranges, limit }));
          const wanted = ranges.flatMap(({ topic, to }) => {
            const last = new Map<string, number>();
            for (const event of store.readPage(topic, { from, to, limit: 1e6 }).events) {
              if (event.key === undefined || (typed && event.type !== "x")) continue;
              if (!odd || event.seq % 2 === 1) last.set(event.key, event.seq);
            }
            return [...last.values()].sort((a, b) => a - b).map((seq) => ({ topic, seq }));
          });
          if (chosen.length === 1) assert.deepEqual(got, wanted.slice(0, limit));
          else {
            assert.equal(got.length, Math.min(wanted.length, limit ?? Infinity));
            for (const topic of topics) {
              const mine = got.filter((event) => event.topic === topic);
              const its = wanted.filter((event) => event.topic === topic);
              assert.deepEqual(mine, its.slice(0, mine.length));
            }
          }
        }
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("newestPerKey refuses more keys than it may hold", async () => {
  const store = new MemoryEventStore();
  const events = Array.from({ length: MOST_KEYS + 1 }, (_, i) => newEvent({ key: `k${i}` }));
  await store.append([{ topic: "t", events }]);
  const whole = { ranges: [{ topic: "t", from: 1, to: MOST_KEYS + 1 }] };
  assert.throws(() => finish(newestPerKey(store, whole)), /more than 100000 keys/);
  finish(newestPerKey(store, { ranges: [{ topic: "t", from: 2, to: MOST_KEYS + 1 }] }));
});
