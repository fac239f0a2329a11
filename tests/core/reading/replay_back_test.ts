/** Replaying backwards: the events of a forward replay, newest first. */
import assert from "node:assert/strict";
import { pagesAtOnce } from "../../helpers/at_once.ts";
import fc from "../../packages/fast_check.ts";
import type { Missed } from "../../../core/reading/missed.ts";
import { compareEvents, replay } from "../../../core/reading/replay.ts";
import { replayBack } from "../../../core/reading/replay_back.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { newEvent } from "../../../testing/new_event.ts";

interface Read {
  topic: string;
  seq: number;
  timestamp: number;
}

function parse(pages: Iterable<Uint8Array | Promise<void>>): Read[] {
  const decoder = new TextDecoder();
  return pagesAtOnce(pages).map((page) => decoder.decode(page)).join("").split("\n").filter(Boolean)
    .map((line) => JSON.parse(line)).map(({ topic, seq, timestamp }) => ({
      topic,
      seq,
      timestamp,
    }));
}

const topics = ["a", "b", "c"];
const someEvents = fc.array(
  fc.record({
    topic: fc.constantFrom(...topics),
    timestamp: fc.integer({ min: 1, max: 20 }),
    type: fc.constantFrom("x", "y"),
    large: fc.boolean(),
  }),
  { maxLength: 60 },
);
const bounds = fc.record({
  from: fc.integer({ min: 1, max: 25 }),
  to: fc.integer({ min: 0, max: 25 }),
  cut: fc.integer({ min: 1, max: 8 }),
  typed: fc.boolean(),
});

async function storeOf(
  events: { topic: string; timestamp: number; type: string; large: boolean }[],
): Promise<MemoryEventStore> {
  const store = new MemoryEventStore();
  const large = JSON.stringify("x".repeat(200_000));
  for (const { topic, large: isLarge, ...event } of events) {
    const payload = isLarge ? large : "1";
    await store.append([{ topic, events: [newEvent({ ...event, payload })] }]);
  }
  return store;
}

Deno.test("replayBack gives the events that replay gives, each topic by falling seq", async () => {
  await fc.assert(
    fc.asyncProperty(someEvents, bounds, async (events, { from, to, cut, typed }) => {
      const store = await storeOf(events);
      for (const topic of topics) await store.truncate(topic, cut);
      const ranges = topics.map((topic) => ({ topic, from, to }));
      const query = { ranges, ...(typed ? { types: ["x"] } : {}) };
      const back = parse(replayBack(store, query));
      const forth = parse(replay(store, query));
      for (const topic of topics) {
        assert.deepEqual(
          back.filter((event) => event.topic === topic),
          forth.filter((event) => event.topic === topic).reverse(),
        );
      }
      for (const limit of [0, 1, 5]) {
        assert.deepEqual(parse(replayBack(store, { ...query, limit })), back.slice(0, limit));
      }
      const even = { ...query, filter: ({ seq }: { seq?: number }) => seq! % 2 === 0 };
      const filtered = parse(replayBack(store, even));
      // Where times do not rise, what is filtered out of one topic moves the others.
      for (const topic of topics) {
        assert.deepEqual(
          filtered.filter((event) => event.topic === topic),
          back.filter((event) => event.topic === topic && event.seq % 2 === 0),
        );
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("replayBack merges by timestamp, the latest first, when each topic's times rise", async () => {
  await fc.assert(
    fc.asyncProperty(someEvents, async (events) => {
      const store = await storeOf(events.toSorted((a, b) => a.timestamp - b.timestamp));
      const got = parse(
        replayBack(store, { ranges: topics.map((topic) => ({ topic, from: 1, to: 60 })) }),
      );
      assert.deepEqual(got, got.toSorted((a, b) => compareEvents(b, a)));
      assert.equal(got.length, events.length);
    }),
    { numRuns: 60 },
  );
});

Deno.test("replayBack tells at its end what retention took before it got there", async () => {
  const store = new MemoryEventStore();
  const events = Array.from({ length: 3000 }, () => newEvent());
  await store.append([{ topic: "t", events }]);
  const told: Missed[] = [];
  const query = {
    ranges: [{ topic: "t", from: 5, to: 3000 }],
    onMissed: (missed: Missed) => told.push(missed),
  };
  const got: number[] = [];
  for (const page of replayBack(store, query)) {
    got.push(...parse([page]).map(({ seq }) => seq));
    await store.truncate("t", 1001);
  }
  assert.deepEqual(got, Array.from({ length: 2000 }, (_, i) => 3000 - i));
  assert.deepEqual(told, [{ topic: "t", from: 5, to: 1000, count: 996 }]);
});
