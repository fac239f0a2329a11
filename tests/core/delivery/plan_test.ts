/** Settlements as plans: what each changes, which of two that cross counts, and what is kept. */
import assert from "node:assert/strict";
import {
  type Outcome,
  type Plan,
  planSettle,
  type Settlement,
} from "../../../core/delivery/plan.ts";
import type { Ledger } from "../../../core/delivery/committer.ts";
import { withLateRecords } from "../../../core/delivery/late_records.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import { Bench, settings } from "./queue_bench.ts";

/** A bench with so many events leased. */
function leasing(count: number, more: Partial<typeof settings> = {}): Bench {
  const bench = new Bench();
  bench.queue.settings = { ...settings, ...more };
  for (let i = 0; i < count; i++) bench.publish(undefined);
  bench.feed(count);
  bench.lease(count);
  return bench;
}

function plan({ queue, now }: Bench, items: readonly Settlement[]) {
  return planSettle(queue, items, { now, random: () => 0.5 });
}

const ack = ({ token }: Lease): Settlement => ({ lease: token, ack: true });
const nack = ({ token }: Lease, more: { afterMs?: number; dead?: boolean } = {}): Settlement => ({
  lease: token,
  ack: false,
  error: "no",
  ...more,
});

function pass(bench: Bench, ms: number): void {
  bench.now = { wall: bench.now.wall + ms, mono: bench.now.mono + ms };
}

Deno.test("planSettle settles a lease once when two answers to it cross", () => {
  const bench = leasing(2);
  const [one, two] = bench.leases;
  const first = plan(bench, [ack(one!)]);
  const second = plan(bench, [nack(one!), ack(two!)]);
  assert.deepEqual([first.result, second.result], [["done"], ["lost", "done"]]);
  assert.deepEqual(second.changes.map(({ op }) => op), ["cursor.put"]);
  bench.commit(first);
  bench.commit(second);
  assert.deepEqual(plan(bench, [ack(one!), nack(two!)]).result, ["lost", "lost"], "it is over");
  assert.ok(bench.queue.drained);
  assert.equal(bench.queue.leased, 0);
});

Deno.test("planSettle takes the second answer when the first one could not be stored", () => {
  const bench = leasing(1);
  const [lease] = bench.leases;
  const refused = plan(bench, [ack(lease!)]);
  assert.deepEqual(plan(bench, [ack(lease!)]).result, ["lost"], "the first may still be stored");
  bench.commit(refused, true);
  const again = plan(bench, [nack(lease!)]);
  assert.deepEqual(again.result, ["retry"]);
  bench.commit(again);
  assert.equal(bench.queue.scheduled, 1);
  assert.equal(bench.queue.leased, 0);
});

Deno.test("planSettle waits what the failure asks for instead of the backoff, in memory and in its row", () => {
  const bench = leasing(2);
  const [short, long] = bench.leases;
  const seqs = () => {
    bench.lease(2);
    return bench.leases.splice(0).map(({ entry }) => entry.seq);
  };
  bench.settle([nack(short!, { afterMs: 10 }), nack(long!, { afterMs: 5000 })]);
  const due = bench.state.load().retries.map(({ dueAt, waitMs }) => [dueAt - 1_000_000, waitMs]);
  assert.deepEqual(due, [[10, 10], [5000, 5000]]);
  bench.leases = [];
  pass(bench, 9);
  assert.deepEqual(seqs(), []);
  pass(bench, 1);
  assert.deepEqual(seqs(), [1]);
  pass(bench, 4989);
  assert.deepEqual(seqs(), []);
  pass(bench, 1);
  assert.deepEqual(seqs(), [2]);
});

Deno.test("planSettle retries what failed once the breaker has tripped, and dead-letters only what asks for it", () => {
  const bench = leasing(3, { maxRetries: 0, breaker: { failing: 1, window: 2 } });
  const [one, two, three] = bench.leases;
  const { result, dead } = plan(bench, [nack(one!), nack(two!), nack(three!, { dead: true })]);
  assert.deepEqual(result, ["dead", "retry", "dead"], "the second failure trips it");
  assert.deepEqual(dead.map(({ seq }) => seq), [1, 3]);
});

Deno.test("planSettle keeps the first attempt and the latest ones when there are very many", () => {
  const bench = leasing(1, { maxRetries: 1000 });
  for (let attempt = 1; attempt <= 300; attempt++) {
    bench.settle([nack(bench.leases[0]!, { afterMs: 0, dead: attempt === 300 })]);
    bench.leases = [];
    bench.lease(1);
  }
  const { records: [dead] } = bench.state.deadLetters({}, { limit: 1 });
  const kept = dead!.attempts.map(({ attempt }) => attempt);
  assert.deepEqual(kept, [1, ...Array.from({ length: 255 }, (_, i) => 46 + i)]);
});

Deno.test("planSettle marks what is done behind an event in delivery, and moves the cursor over it later", () => {
  const bench = leasing(4);
  const [one, , three, four] = bench.leases;
  bench.settle([ack(three!)]);
  const stored = () => {
    const { cursors, done } = bench.state.load();
    return [cursors[0]!.next, done.map(({ seq }) => seq)];
  };
  assert.deepEqual(stored(), [1, [3]], "a single mark is one");
  bench.settle([ack(one!), ack(four!)]);
  assert.deepEqual(stored(), [2, [3, 4]]);
  bench.settle([ack(bench.leases[0]!)]);
  assert.deepEqual(stored(), [5, []]);
});

Deno.test("planSettle removes the row of a retry that succeeds or is given up on", () => {
  const bench = leasing(2);
  bench.settle(bench.leases.map((lease) => nack(lease)));
  pass(bench, 100);
  bench.leases = [];
  bench.lease(2);
  assert.equal(bench.state.load().retries.length, 2);
  const [one, two] = bench.leases;
  bench.settle([ack(one!), nack(two!, { dead: true })]);
  assert.deepEqual(bench.state.load().retries, []);
  assert.deepEqual(bench.dead(), [2]);
  assert.ok(bench.queue.drained);
});

Deno.test("planSettle counts an attempt once for the breaker when its outcome could not be stored at first", () => {
  const bench = leasing(2, { breaker: { failing: 1, window: 2 } });
  const [one, two] = bench.leases;
  for (let i = 0; i < 3; i++) bench.commit(plan(bench, [nack(one!)]), true);
  bench.commit(plan(bench, [nack(one!)]));
  assert.equal(bench.queue.breaker.tripped, undefined, "one of two attempts");
  bench.commit(plan(bench, [nack(two!)]));
  assert.equal(bench.queue.breaker.tripped, "2 of the last 2 attempts failed");
});

Deno.test("withLateRecords leaves everything as it was when the row of a late answer cannot be read", () => {
  const bench = leasing(2);
  const [one, two] = bench.leases;
  bench.settle([nack(one!)]);
  pass(bench, 100);
  bench.lease(1);
  const late = bench.leases.at(-1)!;
  bench.release(late);
  bench.queue.returned.add(late);
  const items = [ack(two!), nack(late)];
  const planned = (retry: Ledger["retry"]) =>
    withLateRecords(
      { queue: bench.queue, ledger: { retry } },
      items,
      (recordOf) => planSettle(bench.queue, items, { now: bench.now, random: () => 0.5, recordOf }),
    ) as Plan<
      Outcome[]
    >;
  const unreadable = () => {
    throw new Error("disk I/O error");
  };
  assert.throws(() => planned(unreadable), /disk I\/O error/);
  assert.deepEqual([bench.queue.leased, bench.queue.scheduled], [1, 1], "nobody has the late one");
  const again = planned((topic, id) => bench.state.retry("s", topic, id));
  assert.deepEqual(again.result, ["done", "retry"]);
  bench.commit(again);
  const attempts = bench.state.retry("s", "t", "id-1")!.attempts.map(({ attempt }) => attempt);
  assert.deepEqual(attempts, [1, 2]);
});
