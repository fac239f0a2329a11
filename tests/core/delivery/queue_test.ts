import assert from "node:assert/strict";
import fc from "fast-check";
import type { Lease, Now } from "../../../core/delivery/entry.ts";
import {
  type Plan,
  planAdopt,
  planFlush,
  planSeek,
  planSettle,
  type Settlement,
} from "../../../core/delivery/plan.ts";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import type { StoredEvent } from "../../../core/event.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { SubscriptionSettings } from "../../../core/state/state.ts";

const settings: SubscriptionSettings = {
  maxRetries: 2,
  backoff: { kind: "fixed", base: 100, max: 100, jitter: false },
  eventTypes: [],
};

function event(seq: number, key?: string, type = "x"): StoredEvent {
  return {
    seq,
    topic: "t",
    id: `id-${seq}`,
    type,
    timestamp: seq,
    schemaVersion: "1.0",
    ...(key === undefined ? {} : { key }),
    metadata: "{}",
    payload: new TextEncoder().encode(String(seq)),
  };
}

/** A queue, the state that it is committed to, and a topic; the process may die at any moment. */
class Bench {
  readonly state = new MemoryState();
  readonly log: StoredEvent[] = [];
  readonly done: number[] = [];
  /** How often each event was handed out without a fault that explains it. */
  readonly unexplained: number[] = [];
  now: Now = { wall: 1_000_000, mono: 0 };
  queue = this.load();
  leases: Lease[] = [];
  #tokens = 0;
  #explained = new Set<number>();
  #handed = new Set<number>();
  strictOrder = true;

  load(): DeliveryQueue {
    const { cursors, done, missed, retries } = this.state.load();
    const queue = new DeliveryQueue(
      { name: "s", settings, cursors, done, missed, retries },
      this.now,
    );
    if (!queue.lanes.has("t")) queue.addLane("t", 1, { written: false });
    queue.look("t", { firstSeq: 1, lastSeq: this.log.length });
    return queue;
  }

  publish(key: string | undefined): void {
    this.log.push(event(this.log.length + 1, key));
    this.queue.look("t", { firstSeq: 1, lastSeq: this.log.length });
  }

  feed(count: number): void {
    const from = this.queue.lanes.get("t")!.readNext;
    const events = this.log.slice(from - 1, from - 1 + count);
    this.queue.feed("t", { events, next: from + events.length });
  }

  lease(max: number): void {
    const leases = this.queue.lease(this.now, {
      max,
      maxBytes: 1e6,
      leaseMs: 1000,
      consumer: "c",
      bound: false,
      token: () => `l${++this.#tokens}`,
    });
    for (const lease of leases) {
      const { entry } = lease;
      if (entry.kind === "retry") {
        lease.record = this.state.retry("s", entry.topic, entry.id);
        assert.ok(lease.record, "a retry has its row");
      }
      if (this.#handed.has(entry.seq) && !this.#explained.has(entry.seq)) {
        this.unexplained.push(entry.seq);
      }
      this.#handed.add(entry.seq);
      this.#explained.delete(entry.seq);
      this.#checkOrder(entry.seq, entry.key);
    }
    this.leases.push(...leases);
  }

  /** Nothing of a key goes while an earlier event of the key is neither done nor dead. */
  #checkOrder(seq: number, key: string | undefined): void {
    if (key === undefined) return;
    const others = [...this.queue.shelf.leases.values()]
      .filter(({ entry }) => entry.key === key && entry.seq !== seq);
    assert.deepEqual(others, [], "one event of a key at a time");
    const retries = [...this.queue.shelf.retries.values()].filter((entry) => entry.key === key);
    const mine = retries.find((entry) => entry.seq === seq);
    for (const retry of retries) {
      if (retry === mine) continue;
      assert.ok(mine && retry.seq > seq, `${seq} went before the retry of ${retry.seq}`);
    }
    if (!this.strictOrder) return;
    const dead = new Set(this.dead());
    for (const earlier of this.log) {
      if (earlier.seq >= seq || earlier.key !== key) continue;
      assert.ok(
        this.done.includes(earlier.seq) || dead.has(earlier.seq),
        `${seq} overtook ${earlier.seq} of the same key`,
      );
    }
  }

  dead(): number[] {
    return this.state.deadLetters({}, { limit: 1e6 }).records.map(({ seq }) => seq);
  }

  settle(items: Settlement[], fails = false): void {
    const seqs = new Map(this.leases.map((lease) => [lease.token, lease.entry.seq]));
    const plan = planSettle(this.queue, items, { now: this.now, random: () => 0.5 });
    if (!this.commit(plan, fails)) return;
    items.forEach((item, i) => {
      const seq = seqs.get(item.lease)!;
      if (plan.result[i] === "done") this.done.push(seq);
      else this.#explained.add(seq);
    });
    this.leases = this.leases.filter((lease) => this.queue.shelf.leases.has(lease.token));
  }

  commit(plan: Plan<unknown>, fails = false): boolean {
    if (fails) {
      plan.rollback();
      return false;
    }
    void this.state.commit(plan.changes);
    plan.apply();
    return true;
  }

  expire(): void {
    const expired = this.queue.shelf.expired(this.now.mono);
    this.settle(expired.map((lease) => ({
      lease: lease.token,
      ack: false,
      expired: true,
      error: "late",
    })));
  }

  release(lease: Lease): void {
    this.queue.release([lease.token]);
    this.#explained.add(lease.entry.seq);
    this.leases = this.leases.filter((other) => other !== lease);
  }

  crash(): void {
    for (const seq of this.#handed) this.#explained.add(seq);
    this.leases = [];
    this.queue = this.load();
  }

  retryDead(): void {
    const { records } = this.state.deadLetters({}, { limit: 2 });
    for (const { seq } of records) this.#explained.add(seq);
    const plan = planAdopt(this.queue, records, this.now);
    for (const { subscription, topic, id } of records) {
      plan.changes.push({ op: "dead.remove", subscription, topic, id });
    }
    this.commit(plan);
    this.strictOrder = false;
  }

  /** What is durable, read back, is what the queue holds. */
  checkReplay(): void {
    const fresh = this.load();
    const lane = this.queue.lanes.get("t")!;
    const other = fresh.lanes.get("t")!;
    assert.equal(fresh.cursorOf(other), this.queue.cursorOf(lane));
    for (let seq = 1; seq <= this.log.length; seq++) {
      assert.equal(other.settled.has(seq), lane.settled.has(seq), `seq ${seq} is settled`);
    }
    const facts = (queue: DeliveryQueue) =>
      [...queue.shelf.retries.values()]
        .map(({ seq, nextAttempt, failures }) => ({ seq, nextAttempt, failures }))
        .sort((a, b) => a.seq - b.seq);
    assert.deepEqual(facts(fresh), facts(this.queue));
  }

  /** Every event is in exactly one of done, pending, dead. */
  checkPlaces(): void {
    const lane = this.queue.lanes.get("t")!;
    const dead = this.dead();
    const retries = [...this.queue.shelf.retries.values()].map(({ seq }) => seq);
    assert.equal(new Set(this.done).size, this.done.length, "done once");
    for (const { seq } of this.log) {
      const places = [
        this.done.includes(seq),
        dead.includes(seq),
        retries.includes(seq),
        !lane.settled.has(seq),
      ].filter(Boolean);
      assert.equal(places.length, 1, `event ${seq} is in ${places.length} places`);
    }
  }
}

type Step =
  | { do: "publish"; key: string | undefined }
  | { do: "feed" | "lease"; count: number }
  | { do: "ack" | "nack" | "dead" | "fail" | "release"; pick: number }
  | { do: "wait"; ms: number }
  | { do: "crash" | "flush" | "retryDead" };

const pick = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("publish" as const), key: fc.constantFrom(undefined, "a", "b") }),
  fc.record({
    do: fc.constantFrom("feed" as const, "lease" as const),
    count: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({
    do: fc.constantFrom(
      "ack" as const,
      "ack" as const,
      "nack" as const,
      "dead" as const,
      "fail" as const,
      "release" as const,
    ),
    pick,
  }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1500 }) }),
  fc.record({ do: fc.constantFrom("crash" as const, "flush" as const, "retryDead" as const) }),
);

function run(bench: Bench, step: Step): void {
  switch (step.do) {
    case "publish":
      return bench.publish(step.key);
    case "feed":
      return bench.feed(step.count);
    case "lease":
      return bench.lease(step.count);
    case "wait":
      bench.now = { wall: bench.now.wall + step.ms, mono: bench.now.mono + step.ms };
      return bench.expire();
    case "crash":
      return bench.crash();
    case "flush":
      return void bench.commit(planFlush(bench.queue));
    case "retryDead":
      return bench.retryDead();
  }
  if (bench.leases.length === 0) return;
  const lease = bench.leases[step.pick % bench.leases.length]!;
  if (step.do === "release") return bench.release(lease);
  const failure = {
    lease: lease.token,
    ack: false as const,
    error: "no",
    dead: step.do === "dead",
  };
  const item: Settlement = step.do === "ack" || step.do === "fail"
    ? { lease: lease.token, ack: true }
    : failure;
  bench.settle([item], step.do === "fail");
}

Deno.test("DeliveryQueue keeps every event in one place, orders keys and replays to itself", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const bench = new Bench();
      for (const step of steps) {
        run(bench, step);
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
  assert.equal(bench.queue.cursorOf(bench.queue.lanes.get("t")!), 1);
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
