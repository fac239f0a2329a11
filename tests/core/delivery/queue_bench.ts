/** A delivery queue and its state, for tests that let the process die anywhere. */
import assert from "node:assert/strict";
import type { Now } from "../../../core/delivery/entry.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import { planRedelivery } from "../../../core/delivery/redeliver.ts";
import { type Plan, planSettle, type Settlement } from "../../../core/delivery/plan.ts";
import { planSeek } from "../../../core/delivery/seek.ts";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import { wireEvents } from "../../../core/delivery/wire_event.ts";
import { type StoredEvent, toWireLine } from "../../../core/event/event.ts";
import { concat } from "../../../core/base/bytes.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange, SubscriptionSettings } from "../../../core/state/state.ts";

export const settings: SubscriptionSettings = {
  maxRetries: 2,
  maxDeliveries: 10,
  backoff: { kind: "fixed", base: 100, max: 100, jitter: false },
  eventTypes: [],
  breaker: null,
};

export function event(seq: number, key?: string, type = "x"): StoredEvent {
  return {
    seq,
    topic: "t",
    id: `id-${seq}`,
    type,
    timestamp: seq,
    schemaVersion: "1.0",
    key,
    metadata: "{}",
    payload: new TextEncoder().encode(String(seq)),
  };
}

/** A queue, the state that it is committed to, and a topic; the process may die at any moment. */
export class Bench {
  readonly parts: number;
  readonly state = new MemoryState();
  /** What was committed. */
  readonly changes: StateChange[] = [];
  readonly log: StoredEvent[] = [];
  readonly done: number[] = [];
  /** How often each event was delivered again without a fault that explains it. */
  readonly unexplained: number[] = [];
  now: Now = { wall: 1_000_000, mono: 0 };
  queue: DeliveryQueue;
  leases: Lease[] = [];
  #tokens = 0;
  #explained = new Set<number>();
  #handed = new Set<number>();
  strictOrder = true;

  /** `parts`: of the subscription, all of which are here. */
  constructor({ parts = 1 } = {}) {
    this.parts = parts;
    this.queue = this.load();
  }

  load(): DeliveryQueue {
    const { cursors, done, missed, retries } = this.state.load();
    const queue = new DeliveryQueue(
      { name: "s", settings, parts: this.parts, cursors, done, missed, retries },
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
    const from = this.queue.lanes.at("t", 0)!.readNext;
    const events = this.log.slice(from - 1, from - 1 + count);
    // Every other page as lines, the way it comes from a store on disk.
    const lines = from % 2 === 0 ? wireEvents(concat(events.map(toWireLine))) : events;
    this.queue.feed("t", { events: lines, next: from + events.length });
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
    const others = [...this.queue.ready.leases.values()]
      .filter(({ entry }) => entry.key === key && entry.seq !== seq);
    assert.deepEqual(others, [], "one event of a key at a time");
    const retries = [...this.queue.ready.retries.values()].filter((entry) => entry.key === key);
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
    this.leases = this.leases.filter((lease) => this.queue.ready.leases.has(lease.token));
  }

  commit(plan: Plan<unknown>, fails = false): boolean {
    if (fails) {
      plan.rollback();
      return false;
    }
    void this.state.commit(plan.changes);
    this.changes.push(...plan.changes);
    plan.apply();
    return true;
  }

  expire(): void {
    const expired = this.queue.ready.expired(this.now.mono);
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
    const plan = planRedelivery(this.queue, records, this.now);
    for (const { subscription, topic, id } of records) {
      plan.changes.push({ op: "dead.remove", subscription, topic, id });
    }
    this.commit(plan);
    this.strictOrder = false;
  }

  /** Moves the cursor to `to`. */
  seek(to: number): void {
    const target = { topic: "t", to, firstSeq: 1, lastSeq: this.log.length };
    this.commit(planSeek(this.queue, [target]));
  }

  /** What is durable, read back, is what the queue holds. */
  checkReplay(): void {
    const fresh = this.load();
    const lane = this.queue.lanes.at("t", 0)!;
    const other = fresh.lanes.at("t", 0)!;
    assert.equal(fresh.cursorOf(other), this.queue.cursorOf(lane));
    for (let seq = 1; seq <= this.log.length; seq++) {
      assert.equal(other.settled.has(seq), lane.settled.has(seq), `seq ${seq} is settled`);
    }
    const facts = (queue: DeliveryQueue) =>
      [...queue.ready.retries.values()]
        .map(({ seq, nextAttempt, failures }) => ({ seq, nextAttempt, failures }))
        .sort((a, b) => a.seq - b.seq);
    assert.deepEqual(facts(fresh), facts(this.queue));
  }

  /** Every event is in exactly one of done, pending, dead. */
  checkPlaces(): void {
    const lane = this.queue.lanes.at("t", 0)!;
    const dead = this.dead();
    const retries = [...this.queue.ready.retries.values()].map(({ seq }) => seq);
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
