/**
 * Tails and replays of a store that answers later: the same events as from one that answers at once,
 * and what happens while a page is under way.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { inTurns, turn } from "../../../core/base/in_turns.ts";
import type { Missed } from "../../../core/reading/missed.ts";
import { newestPerKey } from "../../../core/reading/newest_per_key.ts";
import { lastOf, type Pages, replay } from "../../../core/reading/replay.ts";
import { replayBack } from "../../../core/reading/replay_back.ts";
import { Tail } from "../../../core/reading/tail.ts";
import { newestOfKey } from "../../../core/store/by_key.ts";
import { type Commit, Journal } from "../../../core/store/journal.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { packedRequest } from "../../../testing/packed_requests.ts";
import { pagesAtOnce, pagesLater } from "../../helpers/at_once.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { HeldReads, inSomeTurns, type LateRead, LateStore } from "../../helpers/late_store.ts";

const decoder = new TextDecoder();

function parse(pages: readonly Uint8Array[]): { topic: string; seq: number }[] {
  return pages.map((page) => decoder.decode(page)).join("").split("\n").filter(Boolean)
    .map((line) => JSON.parse(line)).map(({ topic, seq }) => ({ topic, seq }));
}

const seqsOf = (bytes: Uint8Array | undefined) => parse([bytes!]).map(({ seq }) => seq);

const someEvents = fc.array(
  fc.record({
    topic: fc.constantFrom("a", "b"),
    timestamp: fc.integer({ min: 1, max: 20 }),
    type: fc.constantFrom("x", "y"),
    key: fc.constantFrom(undefined, "k", "l"),
    large: fc.boolean(),
  }),
  { maxLength: 40 },
);

Deno.test("replays, backwards, by key and of the last events, are the same when pages come later", async () => {
  const large = JSON.stringify("x".repeat(300_000));
  await fc.assert(
    fc.asyncProperty(someEvents, fc.nat(), fc.boolean(), async (events, seed, typed) => {
      const inner = new MemoryEventStore();
      for (const { topic, large: isLarge, key, ...rest } of events) {
        const event = newEvent({ ...rest, payload: isLarge ? large : "1", ...key && { key } });
        await inner.append([{ topic, events: [event] }]);
      }
      const late = new LateStore(inner, inSomeTurns(randomFrom(seed)));
      const topics = ["a", "b"];
      const types = typed ? { types: ["x"] } : {};
      for (const chosen of [topics, ["a"]]) {
        const ranges = chosen.map((topic) => ({ topic, from: 2, to: inner.head(topic).lastSeq }));
        const onMissed = (missed: Missed) => assert.fail(JSON.stringify(missed));
        for (const limit of [undefined, 3]) {
          for (const read of [replay, replayBack]) {
            const query = { ranges: ranges.filter(({ to }) => to >= 2), limit, onMissed, ...types };
            assert.deepEqual(
              parse(await pagesLater(read(late, query))),
              parse(pagesAtOnce(read(inner, query))),
            );
          }
        }
        const query = { ranges, ...types };
        const newest = await inTurns(newestPerKey(late, query));
        const known = await inTurns(newestPerKey(inner, query));
        assert.deepEqual(
          parse(await pagesLater(replay(newest, query))),
          parse(pagesAtOnce(replay(known, query))),
        );
      }
      const last = { topics, count: 5, ...types };
      assert.deepEqual(await inTurns(lastOf(late, last)), await inTurns(lastOf(inner, last)));
      for (const topic of topics) {
        assert.equal(
          (await inTurns(newestOfKey(late, topic, ["k"])))?.seq,
          (await inTurns(newestOfKey(inner, topic, ["k"])))?.seq,
        );
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("Tail gives every event once and in order when what it reads comes later", async () => {
  const steps = fc.array(fc.constantFrom("read", "a", "b", "packed", "elsewhere", "turn"), {
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), fc.nat(), async (steps, filtered, seed) => {
      const store = new LateStore(new MemoryEventStore(), inSomeTurns(randomFrom(seed)));
      const journal = new Journal(store);
      const onCommit = (listener: (commit: Commit) => void) => {
        const stops = [journal.onCommit(listener), store.onAppended(listener)];
        return () => stops.forEach((stop) => stop());
      };
      const tail = new Tail({ store, onCommit }, {
        matches: () => true,
        positions: new Map(),
        ...(filtered ? { filter: () => true } : {}),
      });
      const chunks: Uint8Array[] = [];
      const sent = { a: 0, b: 0 };
      let reading: Promise<void> | undefined;
      const read = () =>
        reading ??= tail.next().then((bytes) => {
          if (bytes) chunks.push(bytes);
          reading = undefined;
        });
      for (const step of steps) {
        if (step === "read") void read();
        else if (step === "turn") await new Promise((resolve) => setTimeout(resolve, 0));
        else {
          const topic = step === "b" ? "b" : "a";
          sent[topic]++;
          if (step === "elsewhere") await store.appendElsewhere({ topic, events: [newEvent()] });
          else if (step === "packed") await journal.submit(packedRequest(["1"], { topic }));
          else await journal.submit({ topic, events: [newEvent()] });
        }
      }
      while (parse(chunks).length < sent.a + sent.b) await read();
      tail.close();
      for (const topic of ["a", "b"] as const) {
        assert.deepEqual(
          parse(chunks).filter((event) => event.topic === topic).map(({ seq }) => seq),
          Array.from({ length: sent[topic] }, (_, i) => i + 1),
        );
      }
    }),
    { numRuns: 100 },
  );
});

/** A tail of t, which has three events, and its reads. */
async function held(from = 1) {
  const reads = new HeldReads();
  const store = new LateStore(new MemoryEventStore(), reads.wait);
  const journal = new Journal(store);
  await journal.submit({ topic: "t", events: [newEvent(), newEvent(), newEvent()] });
  const missed: Missed[] = [];
  const tail = new Tail({ store, onCommit: (listener) => journal.onCommit(listener) }, {
    matches: () => true,
    positions: new Map([["t", from]]),
    onMissed: (one) => missed.push(one),
  });
  const publish = () => journal.submit({ topic: "t", events: [newEvent()] });
  return { reads, store, journal, tail, missed, publish };
}

Deno.test("Tail lets no commit overtake a page that is under way", async () => {
  const { reads, tail, publish } = await held();
  const first = tail.next();
  const read = await reads.next();
  await publish();
  read.come();
  assert.deepEqual(seqsOf(await reads.until(first)), [1, 2, 3]);
  const second = tail.next();
  (await reads.next()).come();
  assert.deepEqual(seqsOf(await second), [4]);
  tail.close();
});

for (const taken of [true, false]) {
  const when = taken ? "after the page was read" : "before";
  Deno.test(`Tail tells what is deleted while its page is under way, ${when}`, async () => {
    const { reads, store, tail, missed } = await held();
    const first = tail.next();
    const read = await reads.next();
    if (taken) read.take();
    await store.truncate("t", 3);
    read.come();
    assert.equal((await reads.until(first))?.length, 0);
    assert.deepEqual(missed, [{ topic: "t", from: 1, to: 2, count: 2 }]);
    const second = tail.next();
    assert.deepEqual(seqsOf(await reads.until(second)), [3]);
    tail.close();
  });
}

Deno.test("Tail rejects with the error of a page, and reads it again for the next call", async () => {
  const { reads, tail } = await held();
  const first = tail.next();
  const error = new Error("the connection is gone");
  (await reads.next()).fail(error);
  await assert.rejects(first, error);
  const second = tail.next();
  (await reads.next()).come();
  assert.deepEqual(seqsOf(await second), [1, 2, 3]);
  tail.close();
});

Deno.test("Tail answers undefined when it is closed while a page is under way", async () => {
  for (const end of ["come", "fail"] as const) {
    const { reads, tail } = await held();
    const first = tail.next();
    const read = await reads.next();
    tail.close();
    assert.equal(await first, undefined);
    read[end](new Error("too late"));
    assert.equal(await tail.next(), undefined);
  }
});

Deno.test("Tails share the lines of a packed commit, and read them again if that fails", async () => {
  const { reads, store, journal, tail, publish } = await held(4);
  const other = new Tail({ store, onCommit: (listener) => journal.onCommit(listener) }, {
    matches: () => true,
    positions: new Map([["t", 4]]),
  });
  const both = [tail, other];
  const next = () => both.map((one) => one.next());
  let waiting = next();
  await journal.submit(packedRequest(["1", "2"], { topic: "t" }));
  assert.equal(reads.all.length, 1, "one read for both");
  await publish();
  (await reads.next()).come();
  for (const bytes of waiting) assert.deepEqual(seqsOf(await reads.until(bytes)), [4, 5]);
  waiting = next();
  for (const read of reads.all.splice(0)) read.come();
  for (const bytes of waiting) assert.deepEqual(seqsOf(await reads.until(bytes)), [6]);
  waiting = next();
  await journal.submit(packedRequest(["3"], { topic: "t" }));
  (await reads.next()).fail(new Error("the connection is gone"));
  for (let n = 0; n < 2; n++) (await reads.next()).come();
  for (const bytes of waiting) assert.deepEqual(seqsOf(await reads.until(bytes)), [7]);
  both.forEach((one) => one.close());
});

Deno.test("Tail rejects the call of next that waits, and loses nothing, when it cannot read the lines of a commit", async () => {
  const store = new MemoryEventStore();
  let commit: (commit: Commit) => void = () => {};
  const onCommit = (listener: typeof commit) => (commit = listener, () => {});
  const tail = new Tail({ store, onCommit }, { matches: () => true, positions: new Map() });
  const { readLines } = MemoryEventStore.prototype;
  const failing = () => {
    throw new Error("too many open files");
  };
  // The second is of a topic that has more than this commit, which it reads by itself.
  for (const topic of ["t", "u"]) {
    const waiting = tail.next();
    await store.append([{ topic, events: [newEvent(), newEvent()] }]);
    store.readLines = failing;
    const seq = topic === "t" ? 1 : 2;
    commit({ topic, firstSeq: seq, lastSeq: seq });
    await assert.rejects(Promise.race([waiting, turn().then(() => "nothing")]), /too many/);
    store.readLines = readLines;
    assert.deepEqual(seqsOf(await tail.next()), [1, 2]);
  }
  tail.close();
});

/** Reads all pages; `meanwhile` runs once, while the first one is under way. */
async function during(
  read: (store: LateStore, onMissed: (missed: Missed) => void) => Pages,
  meanwhile: (store: LateStore, read: LateRead) => Promise<unknown>,
) {
  const reads = new HeldReads();
  const store = new LateStore(new MemoryEventStore(), reads.wait);
  const events = Array.from({ length: 10 }, () => newEvent());
  await store.append([{ topic: "a", events }, { topic: "b", events: [newEvent()] }]);
  const missed: Missed[] = [];
  const got: { topic: string; seq: number }[] = [];
  let first = true;
  for (const page of read(store, (one) => missed.push(one))) {
    if (page instanceof Uint8Array) {
      got.push(...parse([page]));
      continue;
    }
    const read = await reads.next();
    if (first) await meanwhile(store, read);
    first = false;
    let isThere = false;
    page.then(() => isThere = true);
    for (let next: LateRead | undefined = read; next || !isThere; next = reads.all.shift()) {
      next?.come();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  return { missed, got: got.filter(({ topic }) => topic === "a").map(({ seq }) => seq) };
}

const RANGES = [{ topic: "a", from: 1, to: 10 }, { topic: "b", from: 1, to: 1 }];
const KINDS: Record<string, (store: LateStore, onMissed: (missed: Missed) => void) => Pages> = {
  "of one topic": (store, onMissed) => replay(store, { ranges: RANGES.slice(0, 1), onMissed }),
  "of several": (store, onMissed) => replay(store, { ranges: RANGES, onMissed }),
  "backwards": (store, onMissed) => replayBack(store, { ranges: RANGES.slice(0, 1), onMissed }),
};
for (const [name, read] of Object.entries(KINDS)) {
  for (const taken of [true, false]) {
    const when = taken ? "after the page was read" : "before";
    Deno.test(`a replay ${name} tells what is deleted while a page is under way, ${when}`, async () => {
      const { got, missed } = await during(read, async (store, read) => {
        if (taken) read.take();
        await store.truncate("a", 4);
      });
      const told = missed.flatMap(({ from, to }) =>
        Array.from({ length: to - from + 1 }, (_, i) => from + i)
      );
      assert.deepEqual(told, [1, 2, 3]);
      assert.deepEqual([...got].sort((a, b) => a - b), [4, 5, 6, 7, 8, 9, 10]);
    });
  }
}
