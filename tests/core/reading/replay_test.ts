/** Replaying one topic by seq, and several merged by time. */
import assert from "node:assert/strict";
import { pagesAtOnce } from "../../helpers/at_once.ts";
import fc from "../../packages/fast_check.ts";
import type { StoredEvent } from "../../../core/event/event.ts";
import { lastOf, replay } from "../../../core/reading/replay.ts";
import { type Commit, Journal } from "../../../core/store/journal.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { Tail } from "../../../core/reading/tail.ts";
import { newEvent } from "../store/conformance.ts";

const decoder = new TextDecoder();

function parse(chunks: Iterable<Uint8Array | Promise<void>>): { topic: string; seq: number }[] {
  return pagesAtOnce(chunks).map((chunk) => decoder.decode(chunk)).join("").split("\n").filter(
    Boolean,
  )
    .map((line) => JSON.parse(line)).map(({ topic, seq }) => ({ topic, seq }));
}

async function storeOf(
  events: { topic: string; timestamp: number; type: string }[],
): Promise<MemoryEventStore> {
  const store = new MemoryEventStore();
  for (const { topic, timestamp, type } of events) {
    await store.append([{ topic, events: [newEvent({ timestamp, type })] }]);
  }
  return store;
}

const someEvents = fc.array(
  fc.record({
    topic: fc.constantFrom("a", "b", "c"),
    timestamp: fc.integer({ min: 1, max: 20 }),
    type: fc.constantFrom("x", "y"),
  }),
  { maxLength: 60 },
);
const topics = ["a", "b", "c"];

function all(store: MemoryEventStore): StoredEvent[] {
  return topics.flatMap((topic) => store.readPage(topic, { from: 1, to: 1e6, limit: 1e6 }).events);
}

/** By timestamp, then by topic. */
function byTime(a: StoredEvent, b: StoredEvent): number {
  if (a.timestamp !== b.timestamp) return a.timestamp - b.timestamp;
  return a.topic === b.topic ? a.seq - b.seq : a.topic < b.topic ? -1 : 1;
}

Deno.test("replay of several topics gives every event once, each topic in order of seq", async () => {
  await fc.assert(
    fc.asyncProperty(someEvents, fc.option(fc.constantFrom("x", "y")), async (events, type) => {
      const store = await storeOf(events);
      const types = type === null ? {} : { types: [type] };
      const got = parse(
        replay(store, { ranges: topics.map((topic) => ({ topic, from: 1, to: 1e6 })), ...types }),
      );
      const wanted = all(store).filter((event) => type === null || event.type === type);
      for (const topic of topics) {
        assert.deepEqual(
          got.filter((event) => event.topic === topic).map(({ seq }) => seq),
          wanted.filter((event) => event.topic === topic).map(({ seq }) => seq),
        );
      }
      assert.equal(got.length, wanted.length);
    }),
  );
});

Deno.test("replay merges by timestamp, then topic, when each topic's times rise", async () => {
  await fc.assert(fc.asyncProperty(someEvents, async (events) => {
    const store = await storeOf(events.toSorted((a, b) => a.timestamp - b.timestamp));
    const got = parse(
      replay(store, { ranges: topics.map((topic) => ({ topic, from: 1, to: 1e6 })) }),
    );
    const wanted = all(store).sort(byTime).map(({ topic, seq }) => ({ topic, seq }));
    assert.deepEqual(got, wanted);
  }));
});

Deno.test("replay ends at the limit and at the end of the range", async () => {
  const store = await storeOf(
    Array.from({ length: 30 }, (_, i) => ({ topic: "a", timestamp: i, type: "x" })),
  );
  const ranges = [{ topic: "a", from: 5, to: 20 }];
  assert.deepEqual(parse(replay(store, { ranges, limit: 3 })).map(({ seq }) => seq), [5, 6, 7]);
  assert.equal(parse(replay(store, { ranges })).at(-1)?.seq, 20);
  assert.deepEqual(parse(replay(store, { ranges, limit: 0 })), []);
});

Deno.test("lastOf finds the last events of one topic without reading it", async () => {
  const store = await storeOf(
    Array.from({ length: 30 }, (_, i) => ({ topic: "a", timestamp: i, type: "x" })),
  );
  await store.truncate("a", 11);
  store.readPage = () => assert.fail("it is read");
  const last = (count: number) => lastOf(store, { topics: ["a"], count }).next().value;
  assert.deepEqual(last(3), [{ topic: "a", from: 28, to: 30 }]);
  assert.deepEqual(last(99), [{ topic: "a", from: 11, to: 30 }]);
});

Deno.test("lastOf finds the last events that are selected, over all topics together", async () => {
  await fc.assert(
    fc.asyncProperty(someEvents, fc.integer({ min: 0, max: 12 }), async (events, count) => {
      const store = await storeOf(events);
      const steps = lastOf(store, { topics, count, types: ["x"] });
      let step = steps.next();
      while (!step.done) step = steps.next();
      const got = parse(replay(store, { ranges: step.value, types: ["x"] }));
      const selected = all(store).filter(({ type }) => type === "x");
      assert.equal(got.length, Math.min(count, selected.length));
      for (const topic of topics) {
        const mine = got.filter((event) => event.topic === topic).map(({ seq }) => seq);
        const its = selected.filter((event) => event.topic === topic).map(({ seq }) => seq);
        assert.deepEqual(mine, its.slice(its.length - mine.length), "the end of each topic");
      }
    }),
  );
});

Deno.test("lastOf finds the latest over all topics when each topic's times rise", async () => {
  await fc.assert(
    fc.asyncProperty(someEvents, fc.integer({ min: 1, max: 12 }), async (events, count) => {
      const store = await storeOf(events.toSorted((a, b) => a.timestamp - b.timestamp));
      const steps = lastOf(store, { topics, count, types: ["x"] });
      let step = steps.next();
      while (!step.done) step = steps.next();
      const got = parse(replay(store, { ranges: step.value, types: ["x"] }));
      const wanted = all(store).filter(({ type }) => type === "x").sort(byTime)
        .slice(-count).map(({ topic, seq }) => ({ topic, seq }));
      assert.deepEqual(got, wanted);
    }),
  );
});

Deno.test("Tail gives every event once and in order, however its reader is paced", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.constant("read"), fc.constantFrom("a", "b", "other")), {
        maxLength: 60,
      }),
      fc.boolean(),
      async (steps, filtered) => {
        const store = new MemoryEventStore();
        const journal = new Journal(store);
        await journal.submit({ topic: "a", events: [newEvent(), newEvent()] });
        const tail = new Tail({ store, onCommit: (listener) => journal.onCommit(listener) }, {
          matches: (topic) => topic !== "other",
          positions: new Map([["a", 2]]),
          ...(filtered ? { filter: () => true } : {}),
        });
        const chunks: Uint8Array[] = [];
        const sent: Record<string, number> = { a: 2, b: 0, other: 0 };
        let reading: Promise<void> | undefined;
        const read = () => {
          reading ??= tail.next().then((bytes) => {
            if (bytes) chunks.push(bytes);
            reading = undefined;
          });
        };
        for (const step of steps) {
          if (step === "read") read();
          else {
            sent[step]!++;
            await journal.submit({ topic: step, events: [newEvent()] });
          }
        }
        const wanted = sent["a"]! - 1 + sent["b"]!;
        while (parse(chunks).length < wanted) {
          read();
          await reading;
        }
        tail.close();
        const got = parse(chunks);
        assert.deepEqual(
          got.filter(({ topic }) => topic === "a").map(({ seq }) => seq),
          range(2, sent["a"]!),
        );
        assert.deepEqual(
          got.filter(({ topic }) => topic === "b").map(({ seq }) => seq),
          range(1, sent["b"]!),
        );
        assert.equal(got.length, wanted);
      },
    ),
  );
});

Deno.test("Tail tells what was deleted before its reader got there, and goes on behind it", async () => {
  const store = await storeOf(
    Array.from({ length: 3 }, (_, i) => ({ topic: "a", timestamp: i, type: "x" })),
  );
  await store.truncate("a", 2);
  const missed: unknown[] = [];
  const tail = new Tail({ store, onCommit: () => () => {} }, {
    matches: () => true,
    positions: new Map([["a", 1]]),
    onMissed: (one) => missed.push(one),
  });
  assert.deepEqual(await tail.next(), new Uint8Array(0));
  assert.deepEqual(missed, [{ topic: "a", from: 1, to: 1, count: 1 }]);
  assert.deepEqual(parse([(await tail.next())!]).map(({ seq }) => seq), [2, 3]);
  tail.close();
});

Deno.test("Tail says whether its reader waits, or gets what is stored", async () => {
  const store = await storeOf([{ topic: "a", timestamp: 1, type: "x" }]);
  const journal = new Journal(store);
  const tail = new Tail({ store, onCommit: (listener) => journal.onCommit(listener) }, {
    matches: () => true,
    positions: new Map([["a", 1]]),
  });
  assert.equal(tail.isWaiting, false);
  const first = tail.next();
  assert.equal(tail.isWaiting, false);
  assert.ok(await first);
  const second = tail.next();
  assert.equal(tail.isWaiting, true);
  await journal.submit({ topic: "a", events: [newEvent()] });
  assert.equal(tail.isWaiting, false);
  assert.deepEqual(parse([(await second)!]).map(({ seq }) => seq), [2]);
  tail.close();
});

Deno.test("Tail drops the oldest of what is not stored when its reader is slow, and counts it", async () => {
  let commit: (commit: Commit) => void = () => {};
  const tail = new Tail({
    store: new MemoryEventStore(),
    onCommit: (listener) => (commit = listener, () => {}),
  }, { matches: () => true, positions: new Map() });
  for (let n = 0; n < 70; n++) {
    const events = [newEvent({ timestamp: n })];
    commit({ topic: "m", firstSeq: 0, lastSeq: 0, events, ephemeral: true });
  }
  assert.equal(tail.dropped, 6);
  const first = JSON.parse(decoder.decode(await tail.next()));
  assert.equal(first.timestamp, 6);
  tail.close();
});

Deno.test("Tail answers undefined when it is closed while waiting", async () => {
  const store = new MemoryEventStore();
  const journal = new Journal(store);
  const tail = new Tail({ store, onCommit: (listener) => journal.onCommit(listener) }, {
    matches: () => true,
    positions: new Map(),
  });
  const next = tail.next();
  tail.close();
  assert.equal(await next, undefined);
  assert.equal(await tail.next(), undefined);
});

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
