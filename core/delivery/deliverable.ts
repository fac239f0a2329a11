/**
 * Which of the leased events can be delivered. An event that has expired is settled instead, and
 * counted; it is no failed attempt, and never a dead letter. Whether it has is looked at here, when
 * its turn comes, so that events cost nothing while they wait, and those without an end never do.
 *
 * The event of a retry is in its row, which a state that is elsewhere brings later. Until it has
 * come the event is leased, so that nobody else gets it, but not given to anyone: then its lease may
 * have ended, or the event may have been redacted, and what was read says neither.
 */
import type { Clock } from "../base/clock.ts";
import { InternalError } from "../base/errors.ts";
import { isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { RetryRecord, StateChange } from "../state/state.ts";
import { AGAIN_MS, type Ledger } from "./committer.ts";
import { ExpiredCounts } from "./expired_counts.ts";
import type { Lease } from "./leases.ts";
import { Marks } from "./marks.ts";
import { cursorPlan, finish, type Plan, removeRetry } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";
import { answeredChange } from "./unanswered.ts";
import { expiryOfLine } from "./wire_event.ts";

/** Most expired events that are settled at a time. */
const AT_ONCE = 5000;

/** The clock that events expire by, and how many did since the start. */
export interface ExpiryCount {
  now(): number;
  expired: number;
}

/** What is needed to settle what cannot be delivered. */
export interface DeliverableContext {
  queue: DeliveryQueue;
  ledger: Ledger;
  clock: Clock;
  /** Absent: the wall clock, and nobody counts. */
  expiry?: ExpiryCount | undefined;
  plan<T>(make: () => Plan<T>): Promise<T>;
  /** Other nodes deliver the subscription, too: one of them may have settled a retry. */
  isDivided?: boolean;
  /** The queue has changed. */
  changed(): void;
  onError(error: unknown, context: string): void;
}

/** Tells what can be delivered, and settles the rest. */
export class Deliverable {
  readonly #context: DeliverableContext;
  readonly #expiry: ExpiryCount;
  /** Leases that wait for a row: their own, or that of another one in the same reply. */
  readonly #coming = new Set<Lease>();
  /** True once a row has come later. */
  readsLater = false;
  #settling = 0;

  constructor(context: DeliverableContext) {
    this.#context = context;
    this.#expiry = context.expiry ?? { now: () => context.clock.now(), expired: 0 };
  }

  /** True while expired events are being settled: what is behind them comes next. */
  get busy(): boolean {
    return this.#settling > 0;
  }

  /** True if more can be leased at once, because what was leased before had expired. */
  get goesOn(): boolean {
    return this.busy && this.#settling < AT_ONCE;
  }

  /** True while a lease waits for a row: nobody has its event yet. */
  waits(lease: Lease): boolean {
    return this.#coming.has(lease);
  }

  /**
   * Those of the leases whose events can be delivered: at once, unless a row comes later. If one
   * cannot be read, all are given back.
   */
  of(leases: readonly Lease[]): MaybePromise<Lease[]> {
    try {
      return this.#withRecords(leases);
    } catch (error) {
      this.#giveBack(leases);
      throw error;
    }
  }

  #withRecords(leases: readonly Lease[]): MaybePromise<Lease[]> {
    const rows: Promise<boolean>[] = [];
    const there = leases.filter((lease) => {
      if (lease.entry.kind !== "retry") return true;
      const isThere = this.withRecord(lease);
      if (isPromise(isThere)) rows.push(isThere);
      return isThere;
    });
    return rows.length > 0 ? this.#whenCome(there, rows) : this.#unexpired(there);
  }

  async #whenCome(leases: readonly Lease[], rows: Promise<boolean>[]): Promise<Lease[]> {
    this.readsLater = true;
    for (const lease of leases) this.#coming.add(lease);
    try {
      await Promise.all(rows);
    } catch (error) {
      await Promise.allSettled(rows);
      this.#giveBack(leases);
      throw error;
    } finally {
      for (const lease of leases) this.#coming.delete(lease);
    }
    // One that was redacted meanwhile is released, and done with that.
    return this.#unexpired(heldOf(leases).filter((lease) => !this.#isRedacted(lease)));
  }

  /** A row could not be read: nobody got any of these. */
  #giveBack(leases: readonly Lease[]): void {
    this.#context.queue.release(heldOf(leases).map(({ token }) => token).reverse());
  }

  #unexpired(there: Lease[]): Lease[] {
    const ending = there.filter((lease) => expiryOf(lease) !== undefined);
    if (ending.length === 0) return there;
    const now = this.#expiry.now();
    const over = new Set(ending.filter((lease) => expiryOf(lease)! <= now));
    if (over.size === 0) return there;
    void this.#expire([...over]);
    return there.filter((lease) => !over.has(lease));
  }

  /**
   * True if the event of a lease, which was deliverable, has expired or was redacted since: then it
   * is settled.
   */
  lapses(lease: Lease): boolean {
    if (this.#isRedacted(lease)) {
      this.#context.changed();
      return true;
    }
    const expiresAt = expiryOf(lease);
    if (expiresAt === undefined || expiresAt > this.#expiry.now()) return false;
    void this.#expire([lease]);
    return true;
  }

  #isRedacted({ entry, token }: Lease): boolean {
    if (entry.redacted) this.#context.queue.release([token]);
    return entry.redacted;
  }

  /**
   * Reads the row of a retry: at once, unless it comes later. False if it is gone, and then the
   * event is, too; or if the lease has ended by the time that it comes.
   */
  withRecord(lease: Lease): MaybePromise<boolean> {
    const { entry } = lease;
    if (entry.kind !== "retry") return true;
    const row = this.#context.ledger.retry(entry.topic, entry.id);
    if (!isPromise(row)) return this.#hasRow(lease, row);
    // A redaction removes the row of an event that is leased; it is done all the same.
    return row.then((record) => lease.isHeld && (entry.redacted || this.#hasRow(lease, record)));
  }

  #hasRow(lease: Lease, row: RetryRecord | undefined): boolean {
    const { queue, isDivided, onError } = this.#context;
    const { entry } = lease;
    lease.record = row;
    if (row) return true;
    queue.endLease(lease);
    queue.ready.drop(entry);
    if (isDivided) return false;
    const what = `the retry of ${entry.id} on ${entry.topic} for ${queue.name} has no row`;
    onError(new InternalError(what), "delivery");
    return false;
  }

  /** Never rejects. Until it is durable, nobody else gets them. */
  async #expire(leases: readonly Lease[]): Promise<void> {
    const { queue, clock, plan, changed, onError } = this.#context;
    this.#settling += leases.length;
    try {
      this.#expiry.expired += await plan(() => planExpired(queue, leases));
    } catch (error) {
      onError(error, `expired events of ${queue.name}`);
      clock.setTimer(() => {
        queue.release(leases.map(({ token }) => token));
        changed();
      }, AGAIN_MS);
    }
    this.#settling -= leases.length;
    changed();
  }
}

/** Those that are still in force and not being settled. */
function heldOf(leases: readonly Lease[]): Lease[] {
  return leases.filter((lease) => lease.isHeld);
}

/** When the event of a lease expires, Unix ms; undefined: never. */
function expiryOf({ entry, record }: Lease): number | undefined {
  // A retry's event is in its row, of which the entry knows only the name.
  return record ? expiryOfLine(record.line) : entry.expiresAt;
}

/** Settles expired events, and counts them; the result is how many there were. */
function planExpired(queue: DeliveryQueue, leases: readonly Lease[]): Plan<number> {
  const changes: StateChange[] = [];
  const settled = new Marks();
  const counts = new ExpiredCounts();
  // Some may have been released with the connection of their consumer.
  const over = leases.filter(({ token, settling }) => queue.ready.leases.get(token) && !settling);
  for (const lease of over) {
    lease.settling = true;
    const { entry } = lease;
    const { topic, part } = entry;
    counts.set(topic, part, (counts.of(topic, part) || queue.expired.of(topic, part)) + 1);
    if (entry.unanswered !== undefined) changes.push(answeredChange(queue.name, entry));
    if (entry.kind === "retry") changes.push(removeRetry(queue, entry));
    const lane = queue.laneOf(entry);
    if (lane) settled.add(lane, entry.seq, part);
  }
  const lanes = cursorPlan(queue, settled);
  changes.push(...lanes.changes);
  for (const [topic, part, count] of counts.rows()) {
    const of = queue.lanes.count > 1 ? { parts: 1 << part } : {};
    changes.push({ op: "expired.put", record: { subscription: queue.name, topic, count, ...of } });
  }
  return {
    changes,
    result: over.length,
    dead: [],
    apply() {
      lanes.apply();
      for (const [topic, part, count] of counts.rows()) queue.expired.set(topic, part, count);
      for (const lease of over) {
        if (lease.entry.unanswered !== undefined) queue.counts.answered(lease.entry);
        finish(queue, lease);
      }
    },
    rollback() {
      settled.undo();
      for (const lease of over) lease.settling = false;
    },
  };
}
