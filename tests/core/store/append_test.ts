/**
 * What an append decides, without any store: seqs, repeated ids, expectations, the numbers of keys.
 * The view knows only what was stored before, as the decision must not lean on a store for the rest.
 */
import assert from "node:assert/strict";
import { type AppendView, decideAppend } from "../../../core/store/append.ts";
import { KeyNumbers } from "../../../core/store/key_seqs.ts";
import type { AppendOutcome, Expected } from "../../../core/store/store.ts";
import type { NewEvent } from "../../../core/event/event.ts";
import { newEvent } from "../../../testing/new_event.ts";

interface Known {
  lastSeq?: number;
  firstSeq?: number;
  /** The last seq of each key, and its number. */
  keys?: Record<string, { seq: number; keySeq: number }>;
  /** The seqs of given ids. */
  ids?: Record<string, number>;
}

/** A topic of which so much is known, and what was stored in it. */
function topic({ lastSeq = 0, firstSeq = 1, keys = {}, ids = {} }: Known = {}) {
  const stored: { seq: number; event: NewEvent }[] = [];
  const given = new Map(Object.entries(ids));
  const view: AppendView = {
    lastSeq,
    firstSeq,
    lastSeqOfKey: (key) => keys[key]?.seq ?? 0,
    keySeqOfKey: (key) => keys[key]?.keySeq ?? 0,
    keySeqAt: (seq) => Object.values(keys).find((one) => one.seq === seq)?.keySeq ?? 0,
    seqOfGivenId: (id) => given.get(id),
    store(seq, event) {
      stored.push({ seq, event });
      if (event.idGiven) given.set(event.id, seq);
    },
  };
  const append = (events: NewEvent[], expected?: Expected): AppendOutcome =>
    decideAppend({ topic: "t", events, ...expected === undefined ? {} : { expected } }, view);
  return { append, stored };
}

const keyed = (key: string, id?: string) => newEvent({ key, ...id === undefined ? {} : { id } });

Deno.test("decideAppend numbers events without a gap when some come again", () => {
  const { append, stored } = topic({ lastSeq: 7, ids: { old: 3 } });
  const outcome = append([
    newEvent({ id: "new" }),
    newEvent({ id: "old" }),
    newEvent({ id: "new" }),
    newEvent(),
  ]);
  assert.deepEqual(outcome, {
    ok: true,
    count: 2,
    firstSeq: 8,
    lastSeq: 9,
    duplicates: [{ index: 1, seq: 3 }, { index: 2, seq: 8 }],
  });
  assert.deepEqual(stored.map(({ seq }) => seq), [8, 9]);
});

Deno.test("decideAppend looks up no id that its publisher did not give", () => {
  const event = newEvent();
  const { append } = topic({ lastSeq: 1, ids: { [event.id]: 1 } });
  assert.deepEqual(append([event]), {
    ok: true,
    count: 1,
    firstSeq: 2,
    lastSeq: 2,
    duplicates: [],
  });
});

Deno.test("decideAppend numbers the events of a key one after the other when a request has several", () => {
  const { append, stored } = topic({ lastSeq: 9, keys: { a: { seq: 9, keySeq: 4 } } });
  const outcome = append([keyed("a"), keyed("b"), keyed("a"), newEvent(), keyed("b")]);
  assert.deepEqual(outcome.ok && outcome.keySeqs, [5, 1, 6, 0, 2]);
  assert.deepEqual(stored.map(({ event }) => event.keySeq), [5, 1, 6, undefined, 2]);
});

Deno.test("decideAppend answers a repeat with the number of its first time, in whichever request that was", () => {
  const { append } = topic({ lastSeq: 2, keys: { a: { seq: 2, keySeq: 1 } }, ids: { old: 2 } });
  const outcome = append([
    keyed("a", "x"),
    keyed("a", "y"),
    keyed("a", "x"),
    keyed("a", "old"),
    keyed("a", "y"),
  ]);
  assert.deepEqual(outcome.ok && outcome.keySeqs, [2, 3, 2, 1, 3]);
});

Deno.test("KeyNumbers begins behind what may have been deleted when nothing is left of a key", () => {
  const counts = { keySeqOfKey: () => 0, keySeqAt: () => 0, firstSeq: 11 };
  assert.equal(new KeyNumbers(counts).next("a"), 11);
  assert.deepEqual(new KeyNumbers(counts).column(["a", undefined, "b", "a"], 4), [11, 0, 11, 12]);
});

Deno.test("KeyNumbers goes on behind a column of one key when that key comes again", () => {
  const numbers = new KeyNumbers({ keySeqOfKey: () => 5, keySeqAt: () => 0, firstSeq: 1 });
  assert.deepEqual(numbers.column("a", 3), [6, 7, 8]);
  assert.equal(numbers.next("a"), 9);
  assert.deepEqual([...numbers.last], [["a", 9]]);
});

Deno.test("decideAppend stores only what was expected: a seq, a number, nothing or something", () => {
  const keys = { a: { seq: 6, keySeq: 2 } };
  const holds = (expected: Expected, event: NewEvent) => {
    const { append, stored } = topic({ lastSeq: 7, keys });
    const outcome = append([event], expected);
    assert.equal(stored.length, outcome.ok ? 1 : 0);
    return outcome.ok || outcome.actual;
  };
  assert.equal(holds(7, newEvent()), true);
  assert.equal(holds(6, newEvent()), 7);
  assert.equal(holds(8, newEvent()), 7);
  assert.equal(holds("none", newEvent()), 7);
  assert.equal(holds("exists", newEvent()), true);
  assert.equal(holds(6, keyed("a")), true);
  assert.equal(holds(7, keyed("a")), 6);
  assert.equal(holds("none", keyed("a")), 6);
  assert.equal(holds("none", keyed("b")), true);
  assert.equal(holds("exists", keyed("b")), 0);
  assert.equal(holds({ keySeq: 2 }, keyed("a")), true);
  assert.equal(holds({ keySeq: 1 }, keyed("a")), 2);
  assert.equal(holds({ keySeq: 3 }, keyed("a")), 2);
});

Deno.test("decideAppend expects the number of a key that only redaction took, and none below the first seq", () => {
  const keys = { a: { seq: 0, keySeq: 3 } };
  const expecting = (keySeq: number, firstSeq: number) =>
    topic({ lastSeq: 9, firstSeq, keys }).append([keyed("a")], { keySeq }).ok;
  assert.deepEqual([expecting(3, 1), expecting(0, 1)], [true, false]);
  assert.deepEqual([expecting(3, 8), expecting(0, 8)], [false, true]);
});

Deno.test("decideAppend judges an expectation once: a repeat is answered, a part of one refused", () => {
  const ids = { one: 1, two: 2 };
  const { append, stored } = topic({ lastSeq: 2, ids });
  const again = append([newEvent({ id: "one" }), newEvent({ id: "two" })], "none");
  assert.ok(again.ok && again.count === 0 && again.duplicates.length === 2);
  const part = append([newEvent({ id: "one" }), newEvent({ id: "three" })], 2);
  assert.deepEqual(part, { ok: false, expected: 2, actual: 2, subject: "ids", ids: ["one"] });
  assert.deepEqual(stored, []);
});

Deno.test("decideAppend refuses one seq or number for several keys, and what any key does not meet", () => {
  const two = [keyed("a"), keyed("b")];
  for (const expected of [0, { keySeq: 0 }]) {
    const outcome = topic().append(two, expected);
    assert.equal(!outcome.ok && outcome.subject, "keys");
  }
  const { append, stored } = topic({ lastSeq: 3, keys: { b: { seq: 3, keySeq: 1 } } });
  const outcome = append(two, "none");
  assert.deepEqual(outcome, {
    ok: false,
    expected: "none",
    actual: 3,
    subject: "key",
    key: "b",
  });
  assert.deepEqual(stored, []);
});
