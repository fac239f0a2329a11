/** Tests of the numbers within keys, for stores with sequence numbers that claim them. */
import assert from "node:assert/strict";
import type { JournalStore } from "../core/store/store.ts";
import { fill, newEvent, stored } from "./new_event.ts";
import { packedRequest } from "./packed_requests.ts";
import { again, type Register } from "./suite.ts";

const METADATA = '{"redacted":{"at":5}}';
const decoder = new TextDecoder();

/** The number within its key of every event of the topic t, from its lines; 0 for none. */
async function numbers(store: JournalStore): Promise<number[]> {
  const { firstSeq, lastSeq } = store.head("t");
  const all: number[] = [];
  for (let from = firstSeq; from <= lastSeq;) {
    const page = await store.readLines("t", { from, to: lastSeq, limit: 1000 });
    for (const line of decoder.decode(page.bytes).split("\n").slice(0, -1)) {
      all.push(JSON.parse(line).keySeq ?? 0);
    }
    from = page.next;
  }
  return all;
}

/** Appends an event with this key, and returns the number that it got. */
async function next(store: JournalStore, key: string): Promise<number> {
  const [outcome] = await store.append([{ topic: "t", events: [newEvent({ key })] }]);
  const { keySeqs, lastSeq } = stored(outcome);
  const { events: [event] } = await store.readPage("t", { from: lastSeq, to: lastSeq, limit: 1 });
  assert.equal((await store.find("t", event!.id))?.keySeq, keySeqs?.[0]);
  return keySeqs![0]!;
}

/** Registers these tests through `test`. */
export function testKeyCounts(test: Register<JournalStore>): void {
  testNumbers(test);
  testKept(test);
  testRedactedNumbers(test);
  testExpected(test);
}

function testNumbers(test: Register<JournalStore>): void {
  test("numbers the events of each key of a topic", async (under) => {
    const keys = ["a", undefined, "b", "a", "ü\n", "a", undefined, "b"];
    const events = keys.map((key) => newEvent({ ...key === undefined ? {} : { key } }));
    const [first, other, none] = await under.store.append([
      { topic: "t", events },
      { topic: "u", events: [newEvent({ key: "a" })] },
      { topic: "t", events: [newEvent()] },
      { topic: "t", events: [newEvent({ key: "b" })] },
    ]);
    assert.deepEqual(stored(first).keySeqs, [1, 0, 1, 2, 1, 3, 0, 2]);
    assert.deepEqual(stored(other).keySeqs, [1]);
    assert.equal(stored(none).keySeqs, undefined, "none has a key");
    const store = await again(under);
    assert.deepEqual(await numbers(store), [1, 0, 1, 2, 1, 3, 0, 2, 0, 3]);
    const { events: page } = await store.readPage("t", { from: 1, to: 3, limit: 3 });
    assert.deepEqual(page.map(({ keySeq }) => keySeq), [1, undefined, 1]);
    assert.equal(await next(store, "a"), 4);
    assert.equal(await next(store, "ü\n"), 2);
  });

  test("numbers the events of packed requests, with one key and with many", async (under) => {
    const payloads = Array.from({ length: 12 }, (_, i) => String(i));
    const [one, many, again] = await under.store.append([
      packedRequest(payloads, { topic: "t", keys: "a" }),
      packedRequest(payloads.slice(0, 3), { topic: "t", keys: ["b", undefined, "a"] }),
      packedRequest(payloads.slice(0, 2), { topic: "t", keys: "b" }),
    ]);
    assert.deepEqual(stored(one).keySeqs, payloads.map((_, i) => i + 1));
    assert.deepEqual(stored(many).keySeqs, [1, 0, 13]);
    assert.deepEqual(stored(again).keySeqs, [2, 3]);
    const all = [...payloads.map((_, i) => i + 1), 1, 0, 13, 2, 3];
    assert.deepEqual(await numbers(under.store), all);
  });

  test("tells the number of an event that was stored before", async (under) => {
    const event = newEvent({ id: "once", key: "a" });
    const append = (store: JournalStore) =>
      store.append([{ topic: "t", events: [newEvent({ key: "a" }), event, event] }]);
    assert.deepEqual(stored((await append(under.store))[0]).keySeqs, [1, 2, 2]);
    const store = await again(under);
    assert.deepEqual(stored((await append(store))[0]).keySeqs, [3, 2, 2]);
    assert.deepEqual(await numbers(store), [1, 2, 3]);
    const request = { topic: "t", events: [newEvent({ id: "twice", key: "b" })] };
    const both = await store.append([request, request]);
    assert.deepEqual(both.map((outcome) => stored(outcome).keySeqs), [[1], [1]]);
  });
}

function testKept(test: Register<JournalStore>): void {
  test("gives no number of a key again when its events were deleted", async (under) => {
    const keys = ["a", "b", "a", "b", "c"];
    await under.store.append([{ topic: "t", events: keys.map((key) => newEvent({ key })) }]);
    await under.store.truncate("t", 4);
    let store = await again(under);
    assert.equal(await next(store, "b"), 3, "one of it is left");
    let last = await next(store, "a");
    assert.ok(last > 2, `${last}`);
    await store.truncate("t", 1e9);
    for (const reopens of [false, true, false, true]) {
      if (reopens) store = await again(under);
      await fill(store, "t", 3);
      const number = await next(store, "a");
      assert.ok(number > last, `${number} after ${last}`);
      assert.equal(await next(store, "a"), last = number + 1);
      await store.truncate("t", 1e9);
    }
    await store.removeTopic("t");
    store = await again(under);
    const number = await next(store, "a");
    assert.ok(number > last, `${number} after ${last}`);
  });

  test("goes on with the number of a key when its events were redacted", async (under) => {
    if (!under.store.redact) return;
    const events = ["a", "b", "a"].map((key, i) => newEvent({ id: `id-${i}`, key }));
    await under.store.append([{ topic: "t", events }]);
    for (const [seq, id] of [[3, "id-2"], [1, "id-0"]] as const) {
      const request = { seq, id, key: "digest", metadata: METADATA };
      assert.equal(await under.store.redact("t", request), true);
    }
    let store = await again(under);
    assert.deepEqual(await numbers(store), [1, 1, 2], "the events keep theirs");
    assert.equal(await next(store, "a"), 3);
    await store.truncate("t", 4);
    store = await again(under);
    assert.equal(await next(store, "a"), 4);
    await store.truncate("t", 1e9);
    store = await again(under);
    const last = await next(store, "a");
    assert.ok(last > 4, `${last}`);
  });
}

function testRedactedNumbers(test: Register<JournalStore>): void {
  test("gives no number of a redacted event again when those before it were deleted", async (under) => {
    if (!under.store.redact) return;
    const events = [newEvent({ id: "one", key: "a" }), newEvent({ id: "two", key: "a" })];
    await under.store.append([{ topic: "t", events }]);
    const request = { seq: 2, id: "two", key: "digest", metadata: METADATA };
    assert.equal(await under.store.redact("t", request), true);
    await under.store.truncate("t", 2);
    assert.equal(await next(await again(under), "a"), 3);
  });

  test("gives no number of a redacted event again that is lower than what was deleted", async (under) => {
    if (!under.store.redact) return;
    // Seqs 1 to 5 have another key; 6 and 7 are the numbers 1 and 2 of theirs.
    const keys = ["b", "b", "b", "b", "b", "a", "a"];
    const events = keys.map((key, i) => newEvent({ id: `id-${i}`, key }));
    await under.store.append([{ topic: "t", events }]);
    const request = { seq: 7, id: "id-6", key: "digest", metadata: METADATA };
    assert.equal(await under.store.redact("t", request), true);
    await under.store.truncate("t", 6);
    assert.equal(await next(await again(under), "a"), 3);
  });
}

function testExpected(test: Register<JournalStore>): void {
  test("stores nothing unless the last event of the key has the expected number", async (under) => {
    const append = (keySeq: number, keys: string[]) =>
      under.store.append([{
        topic: "t",
        events: keys.map((key) => newEvent({ key })),
        expected: { keySeq },
      }]);
    assert.deepEqual(stored((await append(0, ["a", "a"]))[0]).keySeqs, [1, 2]);
    assert.deepEqual((await append(1, ["a"]))[0], {
      ok: false,
      expected: { keySeq: 1 },
      actual: 2,
      subject: "key",
    });
    const [several] = await append(2, ["a", "b"]);
    assert.equal(!several!.ok && several!.subject, "keys");
    await under.store.truncate("t", 1e9);
    const [gone] = await append(2, ["a"]);
    assert.equal(!gone!.ok && gone!.actual, 0, "nothing of it is left");
    const [number] = stored((await append(0, ["a"]))[0]).keySeqs!;
    assert.ok(number! > 2, `${number}`);
    assert.deepEqual(stored((await append(number!, ["a"]))[0]).keySeqs, [number! + 1]);
  });

  test("expects the number of a key whose only event was redacted, and not 0", async (under) => {
    const { store } = under;
    if (!store.redact) return;
    await store.append([{ topic: "t", events: [newEvent({ id: "id", key: "a" })] }]);
    await store.redact("t", { seq: 1, id: "id", key: "digest", metadata: METADATA });
    const append = async (keySeq: number) =>
      (await store.append([{
        topic: "t",
        events: [newEvent({ key: "a" })],
        expected: { keySeq },
      }]))[0]!;
    const none = await append(0);
    assert.deepEqual(none.ok ? none : none.actual, 1);
    assert.deepEqual(stored(await append(1)).keySeqs, [2]);
  });

  test("stores a group only if the last events of its keys have the expected numbers", async (under) => {
    if (!under.store.atomic) return;
    const { store } = under;
    const group = (keySeq: number) =>
      store.append([{ topic: "t", events: [newEvent({ key: "a" })] }, {
        topic: "u",
        events: [newEvent({ key: "a" })],
      }], {
        groups: [{ from: 0, to: 2, conditions: [{ topic: "u", key: "a", expected: { keySeq } }] }],
      });
    assert.deepEqual((await group(0)).map((outcome) => stored(outcome).keySeqs), [[1], [1]]);
    const failed = await group(0);
    assert.deepEqual(failed.map(({ ok }) => ok), [false, false]);
    assert.equal(!failed[0]!.ok && failed[0]!.actual, 1);
    assert.deepEqual((await group(1)).map((outcome) => stored(outcome).keySeqs), [[2], [2]]);
  });
}
