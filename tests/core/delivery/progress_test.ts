/** How far subscriptions have got, for retention that waits for them. */
import assert from "node:assert/strict";
import { planFlush } from "../../../core/delivery/plan.ts";
import { finishedIn, firstUnfinished } from "../../../core/delivery/progress.ts";
import { Bench } from "./queue_bench.ts";

function leased(count: number): Bench {
  const bench = new Bench();
  for (let i = 0; i < count; i++) bench.publish(undefined);
  bench.feed(count);
  bench.lease(count);
  return bench;
}

function first({ queue }: Bench, from = 1): number {
  return firstUnfinished(queue, { topic: "t", from });
}

Deno.test("firstUnfinished is what is stored, and not what was settled since in memory", () => {
  const bench = new Bench();
  for (let i = 0; i < 4; i++) bench.publish(undefined);
  assert.equal(first(bench), 0, "nothing is stored yet");
  bench.feed(2);
  bench.lease(2);
  bench.settle(bench.leases.map(({ token }) => ({ lease: token, ack: true })));
  assert.equal(first(bench), 3);
  // Left out by a filter, so that only memory knows it.
  bench.queue.feed("t", { events: [], next: 5 });
  assert.equal(bench.queue.cursorOf(bench.queue.lanes.at("t", 0)!), 5);
  assert.equal(first(bench), 3);
  bench.commit(planFlush(bench.queue));
  assert.equal(first(bench), 5);
});

Deno.test("firstUnfinished stays at a retry that waits, unless its event is deleted already", () => {
  const bench = leased(3);
  const [one, two, three] = bench.leases.map(({ token }) => token);
  bench.settle([
    { lease: one!, ack: true },
    { lease: two!, ack: false, error: "no" },
    { lease: three!, ack: true },
  ]);
  assert.equal(bench.queue.cursorOf(bench.queue.lanes.at("t", 0)!), 4, "its row keeps the event");
  assert.equal(first(bench), 2);
  assert.equal(first(bench, 2), 2);
  assert.equal(first(bench, 3), 4);
});

Deno.test("finishedIn names the topics whose cursor moves or whose retry is over", () => {
  const topics = finishedIn([
    { op: "cursor.put", record: { subscription: "s", topic: "a", next: 2 } },
    { op: "retry.remove", subscription: "s", topic: "b", id: "1" },
    { op: "done.put", subscription: "s", topic: "c", seqs: [2] },
  ]);
  assert.deepEqual([...topics], ["a", "b"]);
});
