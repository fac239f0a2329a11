/** What is said of a subscription that several nodes have parts of. */
import assert from "node:assert/strict";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import { ownCounts, wholeCounts } from "../../../core/delivery/whole_counts.ts";
import { maskOf } from "../../../core/event/part.ts";
import type { SubscriptionSettings } from "../../../core/state/state.ts";
import type { SharedCounts } from "../../../core/state/shared_counts.ts";

const TOPICS = new Map([["t", { firstSeq: 11, lastSeq: 100, bytes: 0 }]]);
const settings = {} as SubscriptionSettings;

/** A queue that has some of four parts, which stand at this seq. */
function queueOf(parts: readonly number[], next: number): DeliveryQueue {
  const mask = maskOf(parts);
  const cursors = parts.length === 0 ? [] : [{ ...OF, next, parts: mask }];
  const start = { name: "s", settings, parts: 4, own: mask, done: [], missed: [], retries: [] };
  const queue = new DeliveryQueue({ ...start, cursors }, { wall: 0, mono: 0 });
  queue.look("t", TOPICS.get("t")!);
  return queue;
}

const OF = { subscription: "s", topic: "t" };
const load = { pending: 7, leased: 2, scheduled: 1, leasedSince: 50 };
const waits = (part: number, node?: string) => {
  return { part, scheduled: 3, ...(node === undefined ? {} : { node }) };
};

Deno.test("wholeCounts adds what others said last, and what is stored of parts that nobody has", () => {
  const queue = queueOf([0], 41);
  const counts: SharedCounts = {
    parts: [waits(0, "a"), waits(1, "b"), waits(2, "b"), waits(3)],
    // What this node said itself is of before.
    loads: new Map([["a", { ...load, pending: 1000 }], ["b", load]]),
    cursors: [{ topic: "t", part: -1, next: 1 }, { topic: "t", part: 3, next: 61 }],
    missed: [
      { topic: "t", from: 1, to: 4, count: 2 },
      { topic: "t", from: 3, to: 9, count: 5 },
      { topic: "other", from: 1, to: 1, count: 1 },
    ],
  };
  const own = ownCounts(queue);
  assert.equal(own.pending, 15, "a quarter of what is left");
  const whole = wholeCounts(queue, { counts, topics: TOPICS });
  assert.equal(whole.pending, own.pending + 7 + 10);
  assert.deepEqual([whole.leased, whole.scheduled, whole.leasedSince], [2, 1 + 3, 50]);
  const [{ next, lastSeq, missed }] = whole.positions as [typeof whole.positions[number]];
  assert.deepEqual([missed?.from, missed?.to, missed?.count], [1, 9, 7], "of all parts");
  assert.deepEqual([next, lastSeq], [11, 100], "where the part that is furthest behind stands");
});

Deno.test("wholeCounts knows all of a subscription of which this node has nothing", () => {
  const queue = queueOf([], 1);
  const none: SharedCounts = { parts: [], loads: new Map(), cursors: [], missed: [] };
  const whole = wholeCounts(queue, { counts: none, topics: TOPICS });
  assert.deepEqual([whole.pending, whole.leased, whole.scheduled], [90, 0, 0]);
  assert.equal(whole.positions[0]!.next, 11);
  const at = [{ topic: "t", part: -1, next: 101 }];
  const done = wholeCounts(queue, { counts: { ...none, cursors: at }, topics: TOPICS });
  assert.deepEqual([done.pending, done.positions[0]!.next], [0, 101]);
  // The last event is of one of four parts; which one is not known.
  const almost = [...at, { topic: "t", part: 2, next: 100 }];
  const left = wholeCounts(queue, { counts: { ...none, cursors: almost }, topics: TOPICS });
  assert.equal(left.pending, 1, "something may wait");
});

Deno.test("wholeCounts is what a node knows by itself that has all of it", () => {
  const queue = queueOf([0, 1, 2, 3], 41);
  const counts: SharedCounts = {
    parts: [0, 1, 2, 3].map((part) => waits(part, "a")),
    loads: new Map([["a", load]]),
    cursors: [{ topic: "t", part: -1, next: 5 }],
    // Stored before what it knows now.
    missed: [{ topic: "t", from: 1, to: 4, count: 2 }],
  };
  assert.deepEqual(wholeCounts(queue, { counts, topics: TOPICS }), ownCounts(queue));
});
