/** The delivery queue against its rules, with crashes and refused commits. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { planFlush, planSettle } from "../../../core/delivery/plan.ts";
import { planSeek } from "../../../core/delivery/seek.ts";
import { Bench } from "./queue_bench.ts";
import { queueStep, runStep } from "./queue_steps.ts";

Deno.test("DeliveryQueue keeps every event in one place, orders keys and replays to itself", () => {
  fc.assert(
    fc.property(fc.array(queueStep, { maxLength: 120, size: "max" }), (steps) => {
      const bench = new Bench();
      for (const step of steps) {
        runStep(bench, step);
        bench.checkPlaces();
        bench.checkReplay();
      }
      assert.deepEqual(bench.unexplained, [], "nothing came twice without a fault");
      // Whatever happened, a consumer that acks everything comes to the end.
      for (let round = 0; round < 500 && !bench.queue.drained; round++) {
        bench.now = { wall: bench.now.wall + 1000, mono: bench.now.mono + 1000 };
        bench.expire();
        bench.feed(10);
        bench.lease(10);
        bench.settle(bench.leases.map(({ token }) => ({ lease: token, ack: true })));
      }
      assert.ok(bench.queue.drained, "everything was delivered");
      bench.checkPlaces();
      assert.equal(bench.done.length + bench.dead().length, bench.log.length);
    }),
    { numRuns: 300 },
  );
});

function leased(bench: Bench): number[] {
  return bench.leases.map(({ entry }) => entry.seq);
}

Deno.test("DeliveryQueue moves only the cursor when events are acked in order", () => {
  const bench = new Bench();
  for (let i = 0; i < 3; i++) bench.publish(undefined);
  bench.feed(3);
  bench.lease(3);
  const plan = planSettle(
    bench.queue,
    bench.leases.map(({ token }) => ({ lease: token, ack: true })),
    { now: bench.now, random: Math.random },
  );
  assert.deepEqual(plan.changes, [
    { op: "cursor.put", record: { subscription: "s", topic: "t", next: 4 } },
  ]);
});

Deno.test("DeliveryQueue dead-letters in one plan when retries are used up", () => {
  const bench = new Bench();
  bench.publish("a");
  bench.publish("a");
  bench.feed(2);
  for (let attempt = 1; attempt <= 3; attempt++) {
    bench.lease(5);
    assert.deepEqual(leased(bench), [1], "the second of the key waits");
    assert.equal(bench.leases[0]!.attempt, attempt);
    bench.settle([{
      lease: bench.leases[0]!.token,
      ack: false,
      error: `no ${attempt}`,
      exitCode: attempt,
    }]);
    bench.now = { wall: bench.now.wall + 100, mono: bench.now.mono + 100 };
  }
  const { records: [dead] } = bench.state.deadLetters({}, { limit: 1 });
  assert.deepEqual(
    dead!.attempts.map(({ attempt, exitCode, outcome }) => ({ attempt, exitCode, outcome })),
    [
      { attempt: 1, exitCode: 1, outcome: "retry" },
      { attempt: 2, exitCode: 2, outcome: "retry" },
      { attempt: 3, exitCode: 3, outcome: "dead" },
    ],
  );
  assert.equal(dead!.reason, "no 3");
  assert.deepEqual(bench.state.load().retries, []);
  bench.lease(5);
  assert.deepEqual(leased(bench), [2], "dead-lettering releases the key");
});

Deno.test("DeliveryQueue counts a lease that ran out as an attempt, and a release not", () => {
  const bench = new Bench();
  bench.publish(undefined);
  bench.feed(1);
  bench.lease(1);
  bench.release(bench.leases[0]!);
  bench.lease(1);
  assert.equal(bench.leases[0]!.attempt, 1);
  bench.now = { wall: bench.now.wall + 1000, mono: bench.now.mono + 1000 };
  bench.expire();
  const row = bench.state.retry("s", "t", "id-1")!;
  assert.equal(row.nextAttempt, 2);
  assert.equal(row.attempts[0]!.outcome, "expired");
});

Deno.test("DeliveryQueue leaves the lease in force when a commit was refused", () => {
  const bench = new Bench();
  bench.publish(undefined);
  bench.feed(1);
  bench.lease(1);
  const { token } = bench.leases[0]!;
  bench.settle([{ lease: token, ack: true }], true);
  assert.equal(bench.queue.leased, 1);
  assert.equal(bench.queue.cursorOf(bench.queue.lanes.at("t", 0)!), 1);
  bench.settle([{ lease: token, ack: true }]);
  assert.deepEqual(bench.done, [1]);
  assert.ok(bench.queue.drained);
});

Deno.test("DeliveryQueue counts what retention took as missed, but not what is leased", () => {
  const bench = new Bench();
  for (let i = 0; i < 6; i++) bench.publish(undefined);
  bench.feed(2);
  bench.lease(1);
  const missed = bench.queue.look("t", { firstSeq: 5, lastSeq: 6 });
  assert.equal(missed, 2, "3 and 4 are gone, 1 is leased and 2 is at hand");
  bench.feed(10);
  bench.lease(10);
  assert.deepEqual(leased(bench), [1, 2, 5, 6]);
  bench.settle(bench.leases.map(({ token }) => ({ lease: token, ack: true })));
  const state = bench.state.load();
  assert.deepEqual(state.missed, [{ subscription: "s", topic: "t", from: 3, to: 4, count: 2 }]);
  assert.equal(state.cursors[0]!.next, 7);
});

Deno.test("planSeek redoes what was done, keeps retries after the target and skips what is before it", () => {
  const bench = new Bench();
  for (let i = 0; i < 6; i++) bench.publish(undefined);
  bench.feed(6);
  bench.lease(6);
  const tokens = bench.leases.map(({ token }) => token);
  bench.settle([
    { lease: tokens[0]!, ack: true },
    { lease: tokens[1]!, ack: false, error: "no" },
    { lease: tokens[3]!, ack: true },
    { lease: tokens[4]!, ack: false, error: "no" },
  ]);
  const target = { topic: "t", to: 4, firstSeq: 1, lastSeq: 6 };
  const plan = planSeek(bench.queue, [target]);
  assert.deepEqual(plan.result, { redo: 1, skip: 2, topics: [{ topic: "t", from: 3, to: 4 }] });
  bench.commit(plan);
  bench.checkReplay();
  const lost = planSettle(bench.queue, [{ lease: tokens[2]!, ack: true }], {
    now: bench.now,
    random: Math.random,
  });
  assert.deepEqual(lost.result, ["lost"]);
  bench.feed(10);
  bench.leases = [];
  bench.lease(10);
  assert.deepEqual(leased(bench).sort(), [4, 5], "6 is still leased");
});

Deno.test("DeliveryQueue holds no page of events for the few that stay on their way", () => {
  const bench = new Bench();
  const pages = 20;
  for (let seq = 1; seq <= 1 + 10 * pages; seq++) {
    bench.publish(seq % 10 === 5 ? `k${seq}` : undefined);
  }
  bench.feed(1);
  bench.lease(1);
  for (let page = 0; page < pages; page++) {
    bench.feed(10); // from an even seq on: as lines
    bench.lease(10);
    const done = bench.leases.filter(({ entry }) => entry.key === undefined);
    bench.settle(done.map(({ token }) => ({ lease: token, ack: true })));
  }
  const held = bench.leases.map(({ entry }) => entry.line!);
  assert.equal(held.length, pages);
  const shared = held.filter((line) => line.buffer.byteLength > line.length + 1);
  assert.ok(shared.length <= 8, `the pages of ${shared.length} events of ${pages} are held`);
});

Deno.test("DeliveryQueue tells a consumer once what was missed, and nothing that was done or is held", () => {
  const bench = new Bench();
  for (let i = 0; i < 10; i++) bench.publish(undefined);
  const { queue } = bench;
  bench.feed(3);
  bench.lease(3);
  bench.settle([{ lease: bench.leases[1]!.token, ack: true }]);
  bench.seek(1);
  queue.look("t", { firstSeq: 5, lastSeq: 10 });
  assert.deepEqual(
    queue.takeMissed(),
    [{ topic: "t", from: 2, to: 4, count: 2 }],
    "1 and 3 are held",
  );
  assert.deepEqual(queue.takeMissed(), []);
  queue.look("t", { firstSeq: 5, lastSeq: 10 });
  assert.deepEqual(queue.takeMissed(), [], "known already");
  queue.look("t", { firstSeq: 6, lastSeq: 10 });
  queue.look("t", { firstSeq: 8, lastSeq: 10 });
  assert.deepEqual(queue.takeMissed(), [{ topic: "t", from: 5, to: 7, count: 3 }], "both together");
});

Deno.test("DeliveryQueue counts as missed what is gone after a restart, and not what was done before it", () => {
  const bench = new Bench();
  for (let i = 0; i < 6; i++) bench.publish(undefined);
  bench.feed(3);
  bench.lease(3);
  bench.settle([{ lease: bench.leases[1]!.token, ack: true }]);
  bench.crash();
  assert.equal(bench.queue.look("t", { firstSeq: 4, lastSeq: 6 }), 2, "1 and 3");
  assert.equal(bench.queue.lanes.at("t", 0)!.missed!.count, 2);
});

Deno.test("DeliveryQueue stores what was missed once its cursor is past it, so that it counts once", () => {
  const bench = new Bench();
  for (let i = 0; i < 6; i++) bench.publish(undefined);
  bench.feed(1);
  bench.lease(1);
  bench.queue.look("t", { firstSeq: 4, lastSeq: 6 });
  bench.commit(planFlush(bench.queue));
  assert.deepEqual(bench.state.load().missed, [], "a restart would read 1 again, and miss 2 and 3");
  bench.settle([{ lease: bench.leases[0]!.token, ack: true }]);
  const missed = [{ subscription: "s", topic: "t", from: 2, to: 3, count: 2 }];
  assert.deepEqual(bench.state.load().missed, missed);
  bench.crash();
  bench.queue.look("t", { firstSeq: 4, lastSeq: 6 });
  bench.commit(planFlush(bench.queue));
  assert.deepEqual(bench.state.load().missed, missed);
});

Deno.test("DeliveryQueue counts as pending what is neither leased, nor scheduled, nor done", () => {
  const bench = new Bench();
  for (let i = 0; i < 5; i++) bench.publish(undefined);
  const counts = (
    { pending, leased, scheduled, drained }: typeof bench.queue,
  ) => [pending, leased, scheduled, drained];
  assert.deepEqual(counts(bench.queue), [5, 0, 0, false]);
  bench.feed(5);
  bench.lease(3);
  assert.deepEqual(counts(bench.queue), [2, 3, 0, false]);
  const [one, two] = bench.leases.map(({ token }) => token);
  bench.settle([{ lease: one!, ack: true }, { lease: two!, ack: false, error: "no" }]);
  assert.deepEqual(counts(bench.queue), [2, 1, 1, false]);
  bench.lease(2);
  bench.settle(bench.leases.map(({ token }) => ({ lease: token, ack: true })));
  assert.deepEqual(counts(bench.queue), [0, 0, 1, false], "the retry is left");
  bench.now = { wall: bench.now.wall + 100, mono: bench.now.mono + 100 };
  bench.lease(1);
  assert.deepEqual(counts(bench.queue), [0, 1, 0, false]);
  bench.settle(bench.leases.map(({ token }) => ({ lease: token, ack: true })));
  assert.deepEqual(counts(bench.queue), [0, 0, 0, true]);
});

Deno.test("planSeek tells what is deleted at its target, and counts once what was missed before", () => {
  const bench = new Bench();
  for (let i = 0; i < 10; i++) bench.publish(undefined);
  const seek = (to: number, firstSeq: number) => {
    const plan = planSeek(bench.queue, [{ topic: "t", to, firstSeq, lastSeq: 10 }]);
    bench.commit(plan);
    return plan.result.missed;
  };
  const missed = () => bench.state.load().missed.map(({ from, to, count }) => [from, to, count]);
  assert.equal(seek(3, 3), undefined);
  assert.deepEqual(seek(2, 5), [{ topic: "t", from: 2, to: 4, count: 3 }]);
  assert.deepEqual(missed(), [[2, 4, 3]]);
  assert.deepEqual(seek(3, 5), [{ topic: "t", from: 3, to: 4, count: 2 }], "asked for again");
  assert.deepEqual(missed(), [[2, 4, 3]]);
  seek(1, 7);
  assert.deepEqual(missed(), [[1, 6, 6]]);
});
