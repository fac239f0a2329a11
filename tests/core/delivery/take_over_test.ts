/**
 * Parts that come to a queue and go from it: what is counted once over all owners, which leases end,
 * and what of a change by somebody else the owner takes.
 */
import assert from "node:assert/strict";
import { finishedParts, freezeParts, leaveParts } from "../../../core/delivery/give_back.ts";
import { planFlush, planSettle } from "../../../core/delivery/plan.ts";
import { takeParts } from "../../../core/delivery/take_over.ts";
import { planUnanswered } from "../../../core/delivery/unanswered.ts";
import { allParts, maskOf, partOf } from "../../../core/event/part.ts";
import type { BegunEvent, RetryRecord } from "../../../core/state/records.ts";
import type { StoredEvent } from "../../../core/event/event.ts";
import { PartsNode } from "./parts_node.ts";
import { PartsState } from "./parts_state.ts";
import { event } from "./queue_bench.ts";

const PARTS = 4;
const NOW = { wall: 1_000_000, mono: 0 };
const ALL = allParts(PARTS);

/** A key of a part; another one from another number on. */
function keyOf(part: number, from = 0): string {
  for (let i = from;; i++) if (partOf({ key: `k${i}`, seq: 1 }, PARTS) === part) return `k${i}`;
}

/** Events of these parts, in this order. */
function logOf(...parts: number[]): StoredEvent[] {
  return parts.map((part, i) => event(i + 1, keyOf(part)));
}

function nodeOf(log: StoredEvent[], mask = ALL, state = new PartsState(PARTS)): PartsNode {
  const node = new PartsNode("a", { state, log });
  node.take(state.claim("a", mask), NOW);
  node.read(log.length);
  return node;
}

function seqsOf(node: PartsNode): number[] {
  return node.leases.map(({ entry }) => entry.seq);
}

function answer(node: PartsNode, at: number, ack: boolean): number[] {
  const lease = node.leases[at]!.token;
  node.settle([ack ? { lease, ack } : { lease, ack, error: "no" }], NOW);
  return node.finish(NOW);
}

function retry(seq: number, part: number, more: Partial<RetryRecord> = {}): RetryRecord {
  return {
    subscription: "s",
    topic: "t",
    id: `id-${seq}`,
    seq,
    key: keyOf(part),
    type: "x",
    dueAt: NOW.wall,
    waitMs: 0,
    nextAttempt: 2,
    failures: 0,
    attempts: [],
    line: new Uint8Array(),
    part,
    ...more,
  };
}

/** A delivery that was begun under this claim of its part. */
function begun(seq: number, part: number, epoch = 0): BegunEvent {
  return { topic: "t", id: ` ${seq}`, seq, attempt: 1, part, epoch };
}

Deno.test("takeParts counts what the handlers of an owner that is gone had begun, once", () => {
  const log = logOf(0, 1);
  const state = new PartsState(PARTS);
  for (const part of [0, 1]) state.cursors.set(part, 1);
  const record = { subscription: "s", consumer: "self:x", events: [begun(1, 0), begun(2, 1)] };
  state.begun.set("self:x", record);
  for (let owners = 0; owners < 3; owners++) {
    const node = nodeOf(log, maskOf([0]), state);
    assert.equal(node.lease(1, NOW)[0]!.delivery, 2, `owner ${owners}`);
    assert.deepEqual(state.begun.get("self:x")!.events, [begun(2, 1)], "of its own parts only");
  }
  assert.deepEqual([...state.unanswered.values()].map(({ seq, count }) => [seq, count]), [[1, 1]]);
  nodeOf(log, maskOf([1]), state);
  assert.equal(state.begun.size, 0, "all of it is counted");
});

Deno.test("takeParts counts nothing that an owner tells late, and leaves what it tells meanwhile", () => {
  const log = logOf(0, 1);
  const state = new PartsState(PARTS);
  for (const part of [0, 1]) state.cursors.set(part, 1);
  const tell = (...events: BegunEvent[]) => {
    state.begun.set("self:x", { subscription: "s", consumer: "self:x", events });
  };
  nodeOf(log, ALL, state); // epoch 1: the owner that does not know yet that it has lost part 0
  nodeOf(log, maskOf([0]), state);
  tell(begun(1, 0, 1), begun(2, 1, 1));
  const node = nodeOf(log, maskOf([0]), state);
  assert.equal(node.lease(1, NOW)[0]!.delivery, 1, "the owner before had begun nothing");
  assert.equal(state.unanswered.size, 0);
  assert.deepEqual(
    state.begun.get("self:x")!.events,
    [begun(2, 1, 1)],
    "nobody counts it any more",
  );
  const rows = state.rowsOf([{ part: 1, epoch: 2, rev: 0 }]);
  tell(begun(2, 1, 1), begun(3, 2, 1));
  for (const change of takeParts(node.queue, rows, NOW)) state.apply(change);
  assert.equal(state.unanswered.get(" 2")!.count, 1);
  assert.equal(state.begun.get("self:x")!.events.length, 2, "it was written since it was read");
});

Deno.test("takeParts lets a consumer that comes back go on with what it had begun elsewhere", () => {
  const state = new PartsState(PARTS);
  state.cursors.set(0, 1);
  const events = [begun(1, 0)];
  state.begun.set("consumer:c", { subscription: "s", consumer: "consumer:c", events });
  const node = nodeOf(logOf(0), maskOf([0]), state);
  const order = { max: 1, maxBytes: 1e6, leaseMs: 1e6, bound: true };
  const [lease] = node.queue.lease(NOW, { ...order, consumer: "consumer:c", token: () => "l" });
  assert.equal(lease!.delivery, 1, "its handler goes on");
  assert.deepEqual(node.queue.counts.takeRecounts("s"), [], "and its record is its own node's");
});

Deno.test("takeParts adds up what its parts have missed, and stores it once", () => {
  const state = new PartsState(PARTS);
  const log = logOf(0, 1, 0);
  for (const part of [0, 1]) {
    state.cursors.set(part, 3);
    state.missed.set(part, { from: 1, to: 2, count: part + 1 });
  }
  const node = nodeOf(log, maskOf([0, 1]), state);
  const [lane] = node.queue.lanes;
  assert.equal(lane!.missed!.count, 3);
  node.plan(planFlush(node.queue), []);
  node.finish(NOW);
  assert.deepEqual([...state.missed], [[0, { from: 1, to: 2, count: 3 }]], "one row of both");
  leaveParts(node.queue, maskOf([0]));
  assert.equal(lane!.missed, undefined, "the row goes with its part");
});

Deno.test("leaveParts keeps what was missed where it is stored", () => {
  const node = nodeOf(logOf(0, 1));
  const [lane] = node.queue.lanes;
  lane!.missed = { from: 1, to: 9, count: 5, stored: 3 };
  leaveParts(node.queue, maskOf([1]));
  assert.deepEqual(lane!.missed, { from: 1, to: 9, count: 5, stored: 3 });
  leaveParts(node.queue, maskOf([0]));
  assert.deepEqual(lane!.missed, { from: 1, to: 9, count: 2, stored: 0 }, "what is not stored yet");
});

Deno.test("leaveParts ends the leases of its parts, and takes no answer to them, however late", () => {
  const node = nodeOf(logOf(0, 1, 1));
  node.lease(3, NOW);
  const [, lost] = node.leases;
  lost!.begun = "now";
  const vanished = planUnanswered(node.queue, [lost!]);
  vanished.apply();
  assert.ok(node.queue.returned.get(lost!.token), "its consumer may come back");
  leaveParts(node.queue, maskOf([1]));
  assert.equal(node.queue.returned.get(lost!.token), undefined);
  const tokens = [...node.queue.ready.leases.values()].map(({ token }) => token);
  assert.equal(tokens.length, 1);
  const items = [{ lease: lost!.token, ack: true as const }];
  assert.deepEqual(planSettle(node.queue, items, { now: NOW, random: () => 0 }).result, ["lost"]);
  assert.equal(node.queue.pending, 0, "what is left is leased");
  assert.equal(node.queue.counts.spent(1).length, 0, "nobody counts them here");
});

Deno.test("leaveParts lets the cursor of what stays move over what has gone", () => {
  const state = new PartsState(PARTS);
  const node = nodeOf(logOf(1, 0, 1), ALL, state);
  node.lease(3, NOW);
  leaveParts(node.queue, maskOf([1]));
  node.owned.delete(1);
  node.leases = [...node.queue.ready.leases.values()];
  assert.deepEqual(answer(node, 0, true), [2]);
  assert.deepEqual([state.cursorOf(0), state.cursorOf(1)], [4, 1], "the other one's is as it was");
});

Deno.test("parts that joined others that were further are stored event by event until they are there", () => {
  const state = new PartsState(PARTS);
  const log = [0, 0, 1, 1, 1].map((part, i) => event(i + 1, keyOf(part, 100 * i)));
  const node = nodeOf(log, maskOf([1]), state);
  node.lease(3, NOW);
  assert.deepEqual(answer(node, 0, true), [3]);
  node.take(state.claim("a", maskOf([0])), NOW);
  node.read(log.length);
  node.lease(2, NOW);
  assert.deepEqual(seqsOf(node), [4, 5, 1, 2]);
  assert.ok(!node.queue.lanes.joinAll(), "the cursor of part 0 is not stored yet");
  node.plan(planFlush(node.queue), []);
  node.finish(NOW);
  assert.ok(node.queue.lanes.joinAll(), "both have read all");
  assert.deepEqual(answer(node, 2, true), [1]);
  assert.deepEqual([state.cursorOf(0), state.cursorOf(1)], [1, 4], "no cursor goes back");
  assert.deepEqual([...state.done], [[1, 0]]);
  const next = nodeOf(log, maskOf([0, 1]), state);
  for (const _ of [1, 2]) next.read(log.length);
  next.lease(9, NOW);
  assert.deepEqual(seqsOf(next).sort(), [2, 4, 5], "whoever comes now has nothing twice");
  assert.deepEqual(answer(next, seqsOf(next).indexOf(2), true), [2]);
  assert.deepEqual([state.cursorOf(0), state.cursorOf(1)], [6, 4]);
  assert.deepEqual([...state.done], []);
});

Deno.test("parts that joined store one cursor once they are where each of them was", () => {
  const state = new PartsState(PARTS);
  const node = nodeOf(logOf(0, 1, 1), maskOf([1]), state);
  node.lease(1, NOW);
  answer(node, 0, true);
  state.cursors.set(0, 1);
  node.take(state.claim("a", maskOf([0])), NOW);
  node.read(3);
  node.lease(2, NOW);
  assert.ok(node.queue.lanes.joinAll());
  assert.deepEqual(answer(node, seqsOf(node).indexOf(1), true), [1]);
  assert.deepEqual([state.cursorOf(0), state.cursorOf(1), state.done.size], [3, 3, 0]);
});

Deno.test("freezeParts leaves what is leased until it is settled, and delivers nothing else", () => {
  const state = new PartsState(PARTS);
  const node = nodeOf(logOf(1, 1, 0), ALL, state);
  state.retries.set("id-9", retry(9, 1));
  node.learn({ lost: 0, changed: maskOf([1]) }, NOW);
  node.lease(2, NOW);
  assert.deepEqual(seqsOf(node), [3, 9], "1 and 2 wait behind the retry of their key");
  freezeParts(node.queue, maskOf([1]));
  assert.equal(finishedParts(node.queue), 0, "a retry of it is leased");
  answer(node, 1, false);
  assert.equal(node.queue.scheduled, 0, "the next owner has the row");
  assert.equal(state.retries.get("id-9")!.nextAttempt, 3);
  assert.equal(finishedParts(node.queue), maskOf([1]));
  assert.deepEqual(node.lease(9, { wall: NOW.wall + 1e6, mono: 1e6 }), []);
});

Deno.test("freezeParts gives what is released to the next owner", () => {
  const node = nodeOf(logOf(1, 0));
  node.lease(2, NOW);
  freezeParts(node.queue, maskOf([1]));
  assert.equal(finishedParts(node.queue), 0);
  node.queue.release(node.leases.map(({ token }) => token));
  assert.deepEqual(node.lease(2, NOW).map(({ entry }) => entry.seq), [2]);
  assert.equal(finishedParts(node.queue), maskOf([1]));
  node.queue.look("t", { firstSeq: 1, lastSeq: 9 });
  assert.ok(!node.queue.addTopic("t", 1), "nothing begins with a part that is to go");
});

Deno.test("reconcileParts ends the lease of a retry whose row is gone, and keeps the others", () => {
  const state = new PartsState(PARTS);
  const node = nodeOf(logOf(2, 0), ALL, state);
  for (const seq of [8, 9]) state.retries.set(`id-${seq}`, retry(seq, seq - 8));
  node.learn({ lost: 0, changed: maskOf([0, 1]) }, NOW);
  node.lease(4, NOW);
  assert.deepEqual(seqsOf(node).sort(), [1, 8, 9], "2 waits behind the retry of its key");
  state.retries.delete("id-8");
  node.learn({ lost: 0, changed: maskOf([0]) }, NOW);
  assert.deepEqual(seqsOf(node).sort(), [1, 9]);
  assert.deepEqual(node.lease(4, NOW).map(({ entry }) => entry.seq), [2]);
});

Deno.test("reconcileParts takes the wait of a retry that waits, and leaves one that is leased", () => {
  const state = new PartsState(PARTS);
  for (const seq of [8, 9]) {
    state.retries.set(`id-${seq}`, retry(seq, 0, { dueAt: NOW.wall + 5000, waitMs: 5000 }));
  }
  const node = nodeOf([], ALL, state);
  assert.deepEqual(node.lease(4, NOW), []);
  state.retries.set("id-8", retry(8, 0));
  node.learn({ lost: 0, changed: 1 }, NOW);
  const [lease] = node.lease(4, NOW);
  assert.equal(lease!.entry.seq, 8);
  node.learn({ lost: 0, changed: 1 }, { wall: NOW.wall + 60, mono: 60 });
  assert.deepEqual(node.leases, [lease], "it goes on");
  assert.equal(node.queue.scheduled, 1);
});

Deno.test("reconcileParts delivers an event that has become a retry as that, and once", () => {
  const state = new PartsState(PARTS);
  const node = nodeOf(logOf(0, 1), ALL, state);
  node.lease(1, NOW);
  for (const [seq, part] of [[1, 0], [2, 1]] as const) {
    state.done.set(seq, part);
    state.retries.set(`id-${seq}`, retry(seq, part));
  }
  node.learn({ lost: 0, changed: ALL }, NOW);
  assert.deepEqual(node.leases, [], "what was leased is elsewhere now");
  const again = node.lease(4, NOW);
  assert.deepEqual(again.map(({ entry }) => [entry.seq, entry.kind]), [[1, "retry"], [2, "retry"]]);
  assert.equal(node.queue.pending, 0);
});

Deno.test("reconcileParts ends leases of parts that are to go, too, and adds nothing to these", () => {
  const state = new PartsState(PARTS);
  const node = nodeOf(logOf(0, 0, 1), ALL, state);
  state.retries.set("id-9", retry(9, 2));
  node.learn({ lost: 0, changed: ALL }, NOW);
  node.lease(4, NOW);
  assert.deepEqual(seqsOf(node).sort(), [1, 3, 9], "2 waits behind 1, which has its key");
  freezeParts(node.queue, maskOf([0, 2]));
  // A dead letter of the same event was sent again, and the retry is a dead letter elsewhere.
  state.done.set(1, 0);
  state.retries.set("id-1", retry(1, 0));
  state.retries.delete("id-9");
  node.learn({ lost: 0, changed: maskOf([0, 2]) }, NOW);
  assert.ok(!seqsOf(node).includes(1), "its answer would put it in two places");
  assert.ok(!seqsOf(node).includes(9), "its row is elsewhere");
  assert.equal(node.queue.scheduled, 0, "the next owner has the row");
  assert.equal(finishedParts(node.queue) & maskOf([2]), maskOf([2]));
});

Deno.test("nodes that have different parts count each event once that retention took", () => {
  const state = new PartsState(PARTS);
  const log: StoredEvent[] = [];
  const nodes = [0b0001, 0b0110, 0b1000].map((mask) => nodeOf(log, mask, state));
  const firstSeq = 5 * 256 + 100;
  const missed = nodes.map((node) => node.queue.look("t", { firstSeq, lastSeq: firstSeq }));
  // By runs of 256, from seq 0: those of parts 0, 1, 2, 3, 0, and 100 of part 1.
  assert.deepEqual(missed, [255 + 256, 256 + 256 + 100, 256]);
  for (const { queue } of nodes) {
    assert.ok([...queue.lanes].every((lane) => queue.cursorOf(lane) === firstSeq));
    assert.equal(queue.takeMissed().length, 1);
  }
});
