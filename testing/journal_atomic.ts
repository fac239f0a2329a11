/** Tests of requests that a store keeps all or none: `AppendOptions.groups`. */
import assert from "node:assert/strict";
import type { AppendOutcome, Condition, JournalStore } from "../core/store/store.ts";
import { fill, newEvent, seqs, stored } from "./new_event.ts";
import { packedRequest } from "./packed_requests.ts";
import { again, type Register } from "./suite.ts";

type Requests = Parameters<JournalStore["append"]>[0];

/** Appends the requests as one group. */
function appendGroup(
  store: JournalStore,
  requests: Requests,
  conditions: readonly Condition[] = [],
): Promise<AppendOutcome[]> {
  return store.append(requests, { groups: [{ from: 0, to: requests.length, conditions }] });
}

const one = (topic: string, fields: Parameters<typeof newEvent>[0] = {}) => ({
  topic,
  events: [newEvent(fields)],
});

/** Registers this part of the suite. */
export function testAtomicGroups(test: Register<JournalStore>): void {
  test("stores a group in all of its topics", async (under) => {
    await fill(under.store, "a", 2);
    const outcomes = await appendGroup(under.store, [
      { topic: "a", events: [newEvent(), newEvent()] },
      one("b"),
      packedRequest(["1", "2"], { topic: "c" }),
    ]);
    assert.deepEqual(outcomes.map((outcome) => stored(outcome).firstSeq), [3, 1, 1]);
    const store = await again(under);
    const all = await Promise.all(["a", "b", "c"].map((topic) => seqs(store, topic)));
    assert.deepEqual(all.map(({ length }) => length), [4, 1, 2]);
  });

  test("stores nothing of a group when one of its conditions fails, and its neighbours", async ({ store }) => {
    await fill(store, "a", 2);
    const requests = [one("a"), one("a"), one("b"), one("b")];
    const conditions = [{ topic: "a", expected: 3 }, { topic: "b", expected: "exists" as const }];
    const outcomes = await store.append(requests, { groups: [{ from: 1, to: 3, conditions }] });
    const failed = {
      ok: false,
      expected: "exists",
      actual: 0,
      condition: 1,
      subject: "topic",
    };
    assert.equal(stored(outcomes[0]).firstSeq, 3);
    assert.deepEqual(outcomes.slice(1, 3), [failed, failed]);
    assert.equal(stored(outcomes[3]).firstSeq, 1);
    assert.deepEqual([await seqs(store, "a"), await seqs(store, "b")], [[1, 2, 3], [1]]);
  });

  test("checks all conditions of a group before it stores the first event", async ({ store }) => {
    await store.append([{ topic: "a", events: [newEvent({ key: "k" }), newEvent()] }]);
    const conditions: Condition[] = [
      { topic: "a", expected: 2 },
      { topic: "a", key: "k", expected: 1 },
      { topic: "a", key: "new", expected: "none" },
      { topic: "b", expected: "none" },
    ];
    const requests = [
      one("a", { key: "k" }),
      one("b"),
      one("a", { key: "new" }),
      one("a", { key: "k" }),
      one("b"),
    ];
    const [first] = await appendGroup(store, requests, conditions);
    assert.equal(stored(first).firstSeq, 3);
    const [second] = await appendGroup(store, [one("a"), one("b")], conditions.slice(1));
    assert.deepEqual(second, {
      ok: false,
      expected: 1,
      actual: 5,
      condition: 0,
      subject: "key",
      key: "k",
    });
    assert.deepEqual([(await seqs(store, "a")).length, (await seqs(store, "b")).length], [5, 2]);
  });

  test("judges a group by what the requests before it in the same append have stored", async ({ store }) => {
    const requests = [one("a", { id: "x", key: "k" }), one("a"), one("b"), one("c"), one("a")];
    const group = (from: number, expected: Condition["expected"]) => ({
      from,
      to: from + 2,
      conditions: [{ topic: "a", key: "k", expected }],
    });
    const outcomes = await store.append(requests, { groups: [group(1, "none"), group(3, 1)] });
    assert.deepEqual(outcomes.map(({ ok }) => ok), [true, false, false, true, true]);
    assert.deepEqual([await seqs(store, "a"), await seqs(store, "b"), await seqs(store, "c")], [
      [1, 2],
      [],
      [1],
    ]);
  });

  test("answers a group that comes again as duplicates, and refuses one that is known in part", async (under) => {
    const requests = [one("a", { id: "x" }), one("b", { id: "y" })];
    const conditions: Condition[] = [{ topic: "a", expected: "none" }];
    await appendGroup(under.store, requests, conditions);
    const store = await again(under);
    const repeated = await appendGroup(store, requests, conditions);
    assert.deepEqual(repeated.map((outcome) => stored(outcome).duplicates), [
      [{ index: 0, seq: 1 }],
      [{ index: 0, seq: 1 }],
    ]);
    const mixed = [one("a", { id: "z" }), requests[1]!];
    const [refused] = await appendGroup(store, mixed, [{ topic: "a", expected: 1 }]);
    assert.deepEqual(refused, { ok: false, expected: 1, actual: 1, subject: "ids", ids: ["y"] });
    const [taken, known] = await appendGroup(store, mixed);
    assert.deepEqual([stored(taken).count, stored(known).count], [1, 0]);
    assert.deepEqual([await seqs(store, "a"), await seqs(store, "b")], [[1, 2], [1]]);
  });
}
