/** Dead letters that return to a queue: once, in front of what waits, and not if it is refused. */
import assert from "node:assert/strict";
import {
  planRedelivery,
  planRedeliveryFromState,
  redeliveryOf,
} from "../../../core/delivery/redeliver.ts";
import { Bench } from "./queue_bench.ts";

/** So many events, of which the first ones are dead. */
function withDead(dead: number, count: number): Bench {
  const bench = new Bench();
  for (let i = 0; i < count; i++) bench.publish(undefined);
  bench.feed(dead);
  bench.lease(dead);
  bench.settle(
    bench.leases.map(({ token }) => ({ lease: token, ack: false, error: "no", dead: true })),
  );
  bench.leases = [];
  return bench;
}

const records = (bench: Bench) => bench.state.deadLetters({}, { limit: 10, oldest: true }).records;

function take(bench: Bench): number[] {
  bench.feed(10);
  bench.lease(10);
  return bench.leases.splice(0).map(({ entry }) => entry.seq);
}

Deno.test("planRedelivery makes retries that are due, with their attempts and a fresh budget", () => {
  const bench = withDead(1, 1);
  for (let failure = 1; failure <= 3; failure++) {
    bench.commit(planRedelivery(bench.queue, records(bench), bench.now));
    bench.lease(1);
    const [lease] = bench.leases.splice(0);
    assert.deepEqual([lease!.attempt, lease!.entry.failures], [failure + 1, 0]);
    assert.deepEqual(
      lease!.record!.attempts.map(({ attempt }) => attempt),
      Array.from({ length: failure }, (_, i) => i + 1),
    );
    bench.settle([{ lease: lease!.token, ack: false, error: "no", dead: true }]);
  }
});

Deno.test("planRedelivery does not add an event that its queue has already: leased, or as a retry", () => {
  const bench = withDead(2, 2);
  const dead = records(bench);
  bench.seek(1);
  bench.feed(2);
  bench.lease(1);
  const plan = planRedelivery(bench.queue, dead, bench.now);
  assert.deepEqual(plan.changes.flatMap((one) => one.op === "retry.put" ? one.record.seq : []), [
    2,
  ]);
  bench.commit(plan);
  const again = planRedelivery(bench.queue, dead, bench.now);
  assert.deepEqual(again.changes, [], "one is leased, the other waits");
  assert.equal(bench.queue.scheduled, 1);
});

Deno.test("planRedeliveryFromState removes those that it does not add, and moves the others", () => {
  const bench = withDead(2, 2);
  const entries = records(bench).map(redeliveryOf);
  bench.seek(1);
  bench.feed(2);
  bench.lease(1);
  const { changes } = planRedeliveryFromState(bench.queue, entries, bench.now);
  assert.deepEqual(changes.slice(0, 2), [
    { op: "dead.retry", subscription: "s", topic: "t", to: "s", dueAt: 1_000_000, ids: ["id-2"] },
    { op: "dead.remove", subscription: "s", topic: "t", id: "id-1" },
  ]);
});

Deno.test("planRedelivery takes an event out of what was read, so that it is delivered once", () => {
  const bench = withDead(2, 3);
  bench.seek(1);
  bench.feed(3);
  bench.commit(planRedelivery(bench.queue, records(bench).slice(1), bench.now));
  assert.deepEqual(take(bench).sort(), [1, 2, 3]);
  assert.equal(bench.queue.pending, 0);
});

Deno.test("planRedelivery that is refused leaves every event to be read from its topic", () => {
  const bench = withDead(2, 3);
  bench.seek(1);
  bench.feed(3);
  const plan = planRedelivery(bench.queue, records(bench), bench.now);
  assert.deepEqual(take(bench), [3], "not while it may be stored");
  bench.commit(plan, true);
  assert.equal(bench.queue.scheduled, 0);
  assert.deepEqual(take(bench), [1, 2]);
});
