/**
 * Tests of writing to a store with sequence numbers: numbering, duplicates, expectations, removals.
 */
import assert from "node:assert/strict";
import { unpack } from "../core/store/pack.ts";
import type { JournalStore } from "../core/store/store.ts";
import { fill, newEvent, seqs, stored } from "./new_event.ts";
import { packedRequest } from "./packed_requests.ts";
import { again, type Register } from "./suite.ts";

const decoder = new TextDecoder();

/** Registers this part of the suite. */
export function testWriting(test: Register<JournalStore>): void {
  test("numbers events from 1 without a gap when topics are interleaved", async ({ store }) => {
    const [a, b] = await store.append([
      { topic: "a", events: [newEvent(), newEvent()] },
      { topic: "b", events: [newEvent()] },
    ]);
    const [c] = await store.append([{ topic: "a", events: [newEvent()] }]);
    assert.deepEqual([stored(a).firstSeq, stored(a).lastSeq], [1, 2]);
    assert.equal(stored(b).firstSeq, 1);
    assert.equal(stored(c).firstSeq, 3);
    assert.deepEqual(await seqs(store, "a"), [1, 2, 3]);
    assert.deepEqual(store.topics().sort(), ["a", "b"]);
  });

  test("knows a given id when its event was deleted, and the one behind it was not", async (under) => {
    const events = Array.from({ length: 600 }, (_, i) => newEvent({ id: `id-${i}` }));
    for (let i = 0; i < 600; i += 20) {
      await under.store.append([{ topic: "t", events: events.slice(i, i + 20) }]);
    }
    await under.store.truncate("t", 201);
    for (const reopened of [false, true]) {
      const store = reopened ? await again(under) : under.store;
      const [repeat] = await store.append([{ topic: "t", events }]);
      assert.deepEqual(stored(repeat).duplicates, events.map((_, i) => ({ index: i, seq: i + 1 })));
    }
  });

  test("lists no topic of which nothing was ever stored", async (under) => {
    await under.store.append([{ topic: "a", events: [newEvent()], expected: "exists" }]);
    await under.store.append([{ topic: "b", events: [] }, { topic: "c", events: [newEvent()] }]);
    assert.deepEqual(under.store.topics(), ["c"]);
    const store = await again(under);
    if (store !== under.store) assert.deepEqual(store.topics(), ["c"]);
    await store.removeTopic("c");
    assert.deepEqual(store.topics(), ["c"], "its last seq stays known");
  });

  test("keeps a packed request's events as it keeps others", async ({ store }) => {
    const payloads = ["1.0", '"ü€𝄞"', '{"n":9007199254740993}'];
    const plain = packedRequest(payloads, { keys: "k" });
    const { events } = unpack(structuredClone(plain));
    // A store may consume a packed request.
    const [first] = await store.append([plain]);
    assert.deepEqual(
      [stored(first).count, stored(first).firstSeq, stored(first).lastSeq],
      [3, 1, 3],
    );
    await store.append([{ topic: "u", events }]);
    const query = { from: 1, to: 9, limit: 9 };
    const { events: packed } = await store.readPage("t", query);
    const { events: others } = await store.readPage("u", query);
    assert.deepEqual(
      packed.map(({ line: _, ...event }) => event),
      others.map(({ line: _, ...event }) => ({ ...event, topic: "t" })),
    );
    assert.deepEqual(packed.map(({ payload }) => decoder.decode(payload)), payloads);
    assert.equal(store.head("t").bytes, store.head("u").bytes);
    assert.equal((await store.find("t", packed[1]!.id))?.seq, 2);
    assert.equal(await store.seekTime("t", events[0]!.timestamp), 1);
  });

  test("looks up what a packed request's publisher named", async ({ store }) => {
    const given = { ids: "a\nb\na", given: Uint8Array.of(1, 1, 1) };
    const [first] = await store.append([packedRequest(["1", "2", "3"], given)]);
    assert.deepEqual(stored(first).duplicates, [{ index: 2, seq: 1 }]);
    assert.equal(store.head("t").lastSeq, 2);
    const [second] = await store.append([packedRequest(["4"], { expected: "none" })]);
    assert.deepEqual(second, { ok: false, expected: "none", actual: 2, subject: "topic" });
  });

  test("stores a given id once when it comes again, also within one append", async ({ store }) => {
    const [first] = await store.append([{
      topic: "t",
      events: [newEvent({ id: "x" }), newEvent({ id: "x" }), newEvent({ id: "y" })],
    }]);
    assert.deepEqual(stored(first).duplicates, [{ index: 1, seq: 1 }]);
    assert.equal(stored(first).count, 2);
    const [second] = await store.append([{
      topic: "t",
      events: [newEvent({ id: "y" }), newEvent({ id: "z" })],
    }]);
    assert.deepEqual(stored(second).duplicates, [{ index: 0, seq: 2 }]);
    assert.deepEqual([stored(second).firstSeq, stored(second).lastSeq], [3, 3]);
    const [other] = await store.append([{ topic: "u", events: [newEvent({ id: "x" })] }]);
    assert.equal(stored(other).count, 1);
  });

  test("refuses an append when the expectation does not hold, and stores its neighbours", async ({ store }) => {
    await fill(store, "t", 2);
    const outcomes = await store.append([
      { topic: "t", events: [newEvent()], expected: 1 },
      { topic: "t", events: [newEvent()], expected: 2 },
      { topic: "t", events: [newEvent()], expected: "none" },
      { topic: "t", events: [newEvent()], expected: "exists" },
      { topic: "new", events: [newEvent()], expected: "exists" },
      { topic: "new", events: [newEvent()], expected: "none" },
      { topic: "new", events: [newEvent()], expected: 0 },
    ]);
    assert.deepEqual(outcomes.map((outcome) => outcome.ok), [
      false,
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
    assert.deepEqual(outcomes[0], { ok: false, expected: 1, actual: 2, subject: "topic" });
    assert.deepEqual(await seqs(store, "t"), [1, 2, 3, 4]);
  });

  test("compares an expectation with the key's last seq when the event has a key", async ({ store }) => {
    await store.append([{ topic: "t", events: [newEvent({ key: "a" }), newEvent({ key: "b" })] }]);
    const outcomes = await store.append([
      { topic: "t", events: [newEvent({ key: "a" })], expected: 1 },
      { topic: "t", events: [newEvent({ key: "a" })], expected: 1 },
      { topic: "t", events: [newEvent({ key: "c" })], expected: "none" },
      { topic: "t", events: [newEvent({ key: "b" })], expected: 2 },
    ]);
    assert.deepEqual(outcomes.map((outcome) => outcome.ok), [true, false, true, true]);
    assert.deepEqual(outcomes[1], { ok: false, expected: 1, actual: 3, subject: "key" });
  });

  test("compares an expectation with every key that the events have, and stores all or none", async ({ store }) => {
    await store.append([{ topic: "t", events: [newEvent({ key: "b" })] }]);
    const of = (...keys: (string | undefined)[]) => ({
      topic: "t",
      events: keys.map((key) => newEvent({ key })),
    });
    const outcomes = await store.append([
      { ...of("a", "b"), expected: "none" },
      { ...of("b", "a"), expected: "none" },
      { ...of("b", "a"), expected: "exists" },
      { ...of("a", undefined), expected: "none" },
      { ...of("b", undefined, "b"), expected: "exists" },
      { ...of("c", "d", "c"), expected: "none" },
      { ...of("d", "c"), expected: "exists" },
      { ...of("d", "d"), expected: 6 },
    ]);
    assert.deepEqual(outcomes.map(({ ok }) => ok), [
      false,
      false,
      false,
      false,
      true,
      true,
      true,
      false,
    ]);
    assert.deepEqual(outcomes[0], {
      ok: false,
      expected: "none",
      actual: 1,
      subject: "key",
      key: "b",
    });
    assert.deepEqual(outcomes[2], {
      ok: false,
      expected: "exists",
      actual: 0,
      subject: "key",
      key: "a",
    });
    assert.deepEqual(outcomes[3], { ok: false, expected: "none", actual: 1, subject: "topic" });
    assert.deepEqual(outcomes[7], { ok: false, expected: 6, actual: 8, subject: "key" });
    assert.equal(store.head("t").lastSeq, 9);
  });

  test("refuses a seq that is expected of several keys", async ({ store }) => {
    await store.append([{ topic: "t", events: [newEvent({ key: "a" })] }]);
    const [several, one] = await store.append([
      { topic: "t", events: [newEvent({ key: "a" }), newEvent({ key: "b" })], expected: 1 },
      { topic: "t", events: [newEvent({ key: "a" }), newEvent({ key: "a" })], expected: 1 },
    ]);
    assert.deepEqual(several, { ok: false, expected: 1, actual: 1, subject: "keys" });
    assert.equal(stored(one).lastSeq, 3);
  });

  test("looks at given ids before it looks at an expectation", async ({ store }) => {
    const x = newEvent({ id: "x", key: "a" });
    const y = newEvent({ id: "y", key: "b" });
    const both = { topic: "t", events: [x, y], expected: "none" as const };
    assert.equal(stored((await store.append([both]))[0]).count, 2);
    const [again, more, own] = await store.append([
      both,
      { ...both, events: [x, newEvent({ id: "z", key: "c" })] },
      { ...both, events: [newEvent({ key: "c" }), y] },
    ]);
    assert.deepEqual(stored(again).duplicates, [{ index: 0, seq: 1 }, { index: 1, seq: 2 }]);
    assert.deepEqual(more, { ok: false, expected: "none", actual: 2, subject: "ids", ids: ["x"] });
    assert.deepEqual(own, { ok: false, expected: "none", actual: 2, subject: "ids", ids: ["y"] });
    assert.equal(store.head("t").lastSeq, 2);
  });

  test("knows no last seq of a key whose events retention took", async (under) => {
    const { store } = under;
    const keyed = (key: string) => ({ topic: "t", events: [newEvent({ key })] });
    for (const key of ["a", "b", "a", "b"]) await store.append([keyed(key)]);
    await store.truncate("t", 4);
    const expectations = async (from: JournalStore) =>
      await from.append([
        { ...keyed("a"), expected: 3 },
        { ...keyed("b"), expected: "none" },
        { ...keyed("b"), expected: 4 },
      ]);
    const [gone, there] = await expectations(store);
    assert.deepEqual(gone, { ok: false, expected: 3, actual: 0, subject: "key" });
    assert.deepEqual(there, { ok: false, expected: "none", actual: 4, subject: "key" });
    await store.truncate("t", 99);
    const outcomes = await (await again(under)).append([
      { ...keyed("a"), expected: "none" },
      { ...keyed("b"), expected: "exists" },
    ]);
    assert.deepEqual(outcomes.map(({ ok }) => ok), [true, false]);
  });

  test("answers a repeat as a duplicate when its expectation held the first time", async ({ store }) => {
    const request = { topic: "t", events: [newEvent({ id: "once" })], expected: "none" as const };
    await store.append([request]);
    const [again] = await store.append([request]);
    assert.deepEqual(stored(again).duplicates, [{ index: 0, seq: 1 }]);
  });

  test("goes on after the last seq when a removed topic comes back", async ({ store }) => {
    await store.append([{ topic: "t", events: [newEvent({ id: "x" }), newEvent()] }]);
    await store.removeTopic("t");
    assert.deepEqual(await seqs(store, "t"), []);
    const [again] = await store.append([{ topic: "t", events: [newEvent({ id: "x" })] }]);
    assert.equal(stored(again).firstSeq, 3);
  });

  test("removes a prefix and never uses its numbers again when truncated", async (under) => {
    const { store } = under;
    await fill(store, "t", 3000);
    assert.equal(await store.truncate("t", 2001), 2000);
    assert.deepEqual([store.head("t").firstSeq, store.head("t").lastSeq], [2001, 3000]);
    assert.equal((await seqs(store, "t"))[0], 2001);
    assert.equal(await store.truncate("t", 99_999), 1000);
    assert.deepEqual(store.head("t"), { firstSeq: 3001, lastSeq: 3000, bytes: 0 });
    const reopened = await again(under);
    assert.deepEqual(reopened.head("t"), { firstSeq: 3001, lastSeq: 3000, bytes: 0 });
    const [next] = await reopened.append([{ topic: "t", events: [newEvent()] }]);
    assert.equal(stored(next).firstSeq, 3001);
  });
}

/** Tests of the dedup window. They need a clock that can be moved. */
export function testDedupWindow(test: Register<JournalStore>): void {
  test("stores a given id again when the dedup window has passed", async ({ store, advance }) => {
    await store.append([{ topic: "t", events: [newEvent({ id: "x" })] }]);
    advance!(86_400_001);
    const [again] = await store.append([{ topic: "t", events: [newEvent({ id: "x" })] }]);
    assert.equal(stored(again).firstSeq, 2);
  });
}

/** Tests of what survives the process. */
export function testReopening(test: Register<JournalStore>): void {
  test("knows everything again when opened anew", async (under) => {
    await fill(under.store, "t", 1200);
    await under.store.append([{
      topic: "t",
      events: [newEvent({ id: "x", key: "k", type: 'q"' })],
    }]);
    const before = under.store.head("t");
    const store = await again(under);
    assert.deepEqual(store.head("t"), before);
    const [next] = await store.append([{
      topic: "t",
      events: [newEvent({ id: "x" }), newEvent({ key: "k" })],
    }]);
    assert.deepEqual(stored(next).duplicates, [{ index: 0, seq: 1201 }]);
    assert.equal(stored(next).firstSeq, 1202);
    assert.equal(
      JSON.parse(
        decoder.decode((await store.readLines("t", { from: 1201, to: 1201, limit: 1 })).bytes),
      )
        .type,
      'q"',
    );
  });
}
