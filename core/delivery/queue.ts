/**
 * The delivery of one subscription: a state machine without I/O, clock or promises.
 *
 * For each topic it keeps what is settled (a set whose first gap is the cursor), and for each event
 * in memory whether it is ready, waiting or leased. Its driver (core/delivery/driver.ts) feeds it
 * pages, passes on its leases, and commits what a {@link Plan} says. Plans are applied only once
 * they are durable, so memory is never ahead of the disk. One plan at a time is under way.
 */
import type { StoredEvent } from "../event/event.ts";
import type { Missed } from "../reading/missed.ts";
import {
  type CursorRecord,
  type ExpiredRecord,
  type MissedRecord,
  type RetryRecord,
  type SubscriptionSettings,
  type UnansweredRecord,
  waitLeft,
} from "../state/state.ts";
import type { RedactedEvents } from "../state/redactions.ts";
import { Breaker } from "../event/breaker.ts";
import { Entry, type Now, type TopicLane } from "./entry.ts";
import { Grant, Lease } from "./leases.ts";
import type { ProcessLoad } from "./process_load.ts";
import { SeqSet } from "./seq_set.ts";
import { ReadyQueue } from "./ready_queue.ts";
import { DeliveryCounts } from "./delivery_counts.ts";
import { ALONE_AFTER, type OpenDelivery, ReturnedLeases } from "./unanswered.ts";
import { storedOf, type WireEvent } from "./wire_event.ts";

/** The start of a queue: its part of a state snapshot. */
export interface QueueStart {
  name: string;
  settings: SubscriptionSettings;
  cursors: readonly CursorRecord[];
  done: readonly { topic: string; seq: number }[];
  missed: readonly MissedRecord[];
  expired?: readonly ExpiredRecord[];
  retries: readonly Omit<RetryRecord, "line" | "attempts">[];
  unanswered?: readonly UnansweredRecord[];
  /** What other processes had begun when the previous broker process ended. */
  open?: readonly OpenDelivery[];
  /** Redacted events are not delivered. */
  redacted?: RedactedEvents | undefined;
}

/** What a lease asks for. */
export interface LeaseOrder {
  max: number;
  /** At most this many bytes of events, but at least one event. */
  maxBytes: number;
  /** Infinity: it never expires. */
  leaseMs: number;
  consumer: string;
  /** Identifies one run of the consumer's process; default: the consumer. */
  instance?: string | undefined;
  /** What that process has leased. */
  load?: ProcessLoad | undefined;
  bound: boolean;
  /** Creates a name that was never used before, for the tokens to start with. */
  token(): string;
}

/** Most bytes of leased events that a subscription holds in memory, over all consumers. */
const MAX_LEASED_BYTES = 64 * 1024 * 1024;

/** After so many pages, events in delivery copy their lines, so that the pages can be freed. */
const PAGES_SHARED = 4;

const NOTHING_MISSED: readonly Missed[] = [];
const NOTHING_HELD: ReadonlyMap<number, Entry> = new Map();

/** The delivery queue of one subscription. */
export class DeliveryQueue {
  readonly name: string;
  settings: SubscriptionSettings;
  readonly lanes: Map<string, TopicLane> = new Map();
  readonly ready: ReadyQueue = new ReadyQueue();
  readonly breaker: Breaker = new Breaker();
  readonly returned: ReturnedLeases = new ReturnedLeases();
  readonly counts: DeliveryCounts;
  /** Events of topics that store nothing, dropped because they were not consumed in time. */
  dropped = 0;
  /** Redacted events that were not delivered, since the start. */
  redacted = 0;
  readonly #redactedEvents: RedactedEvents | undefined;
  /** By topic, how many events expired before they were handled. */
  readonly expired: Map<string, number>;
  /** Pages that were fed. */
  #pages = 0;
  /** By topic, what retention deleted before delivery and no consumer was told about yet. */
  readonly #untold = new Map<string, Missed>();

  constructor(start: QueueStart, now: Now) {
    this.name = start.name;
    this.settings = start.settings;
    this.#redactedEvents = start.redacted;
    for (const { topic, next } of start.cursors) this.addLane(topic, next, { written: true });
    for (const { topic, seq } of start.done) this.lanes.get(topic)?.settled.add(seq);
    for (const { topic, from, to, count } of start.missed) {
      const lane = this.lanes.get(topic);
      if (lane) lane.missed = { from, to, count, written: true };
    }
    this.expired = new Map(start.expired?.map(({ topic, count }) => [topic, count]));
    this.counts = new DeliveryCounts(start);
    for (const retry of start.retries) {
      const entry = retryEntry(retry, now);
      this.counts.recall(entry);
      this.ready.addRetry(entry);
    }
    this.ready.wake(now.mono);
  }

  /** Starts on a topic at `next`. `written`: its cursor is already stored. */
  addLane(topic: string, next: number, options: { written: boolean }): TopicLane {
    const settled = new SeqSet();
    settled.addRange(1, next - 1);
    const lane: TopicLane = {
      topic,
      settled,
      held: 0,
      heldTo: 0,
      readNext: next,
      lastSeq: next - 1,
      writtenNext: options.written ? next : 0,
      dirty: !options.written,
    };
    this.lanes.set(topic, lane);
    return lane;
  }

  /** The first seq of the topic that is not settled. */
  cursorOf(lane: TopicLane): number {
    return lane.settled.firstGap(1);
  }

  /**
   * Updates a topic's bounds in the store. Events deleted before they were read are missed:
   * counted, and settled. Returns how many there were.
   */
  look(topic: string, head: { firstSeq: number; lastSeq: number }): number {
    const lane = this.lanes.get(topic);
    if (!lane) return 0;
    lane.lastSeq = Math.max(lane.lastSeq, head.lastSeq);
    const from = Math.max(lane.readNext, this.cursorOf(lane));
    const to = head.firstSeq - 1;
    if (lane.readNext > to) return 0;
    lane.readNext = head.firstSeq;
    const missed = this.#miss(lane, from, to);
    if (missed === undefined) return 0;
    const before = this.#untold.get(topic);
    this.#untold.set(topic, {
      topic,
      from: before?.from ?? missed.from,
      to: missed.to,
      count: (before?.count ?? 0) + missed.count,
    });
    return missed.count;
  }

  /** What was missed since the last call, to be reported to a consumer. */
  takeMissed(): readonly Missed[] {
    if (this.#untold.size === 0) return NOTHING_MISSED;
    const missed = [...this.#untold.values()];
    this.#untold.clear();
    return missed;
  }

  /** Events that are damaged or missing and cannot be delivered: counted as missed, and settled. */
  lose(topic: string, from: number, to: number): void {
    const lane = this.lanes.get(topic);
    if (lane) this.#miss(lane, Math.max(from, this.cursorOf(lane)), to);
  }

  #miss(lane: TopicLane, from: number, to: number): Missed | undefined {
    let missed: Missed | undefined;
    for (const [first, last] of gaps(lane, from, to, this.heldOf(lane).keys())) {
      const fresh = last - first + 1 - lane.settled.count(first, last);
      if (fresh === 0) continue;
      const { topic } = lane;
      missed = {
        topic,
        from: missed?.from ?? first,
        to: last,
        count: (missed?.count ?? 0) + fresh,
      };
      lane.missed = {
        from: lane.missed?.from ?? first,
        to: last,
        count: (lane.missed?.count ?? 0) + fresh,
        written: false,
      };
      lane.settled.addRange(first, last);
      lane.dirty = true;
    }
    return missed;
  }

  /**
   * Adds what was read: `events` are the wanted ones among the seqs from `readNext` up to but not
   * including `next`; the others are skipped and count as done.
   */
  feed(
    topic: string,
    page: { events: readonly (StoredEvent | WireEvent)[]; next: number },
  ): void {
    const lane = this.lanes.get(topic);
    if (!lane || page.next <= lane.readNext) return;
    const { readNext } = lane;
    const read = page.events.filter(({ seq }) => seq >= readNext && seq < page.next);
    const events = this.#redactedEvents?.without(topic, read, storedOf) ?? read;
    for (const event of events.length < read.length ? read : []) {
      if (!events.includes(event) && !lane.settled.has(event.seq)) this.redacted++;
    }
    // Nearly always all of them are wanted and none was read before: then skip the individual
    // lookups.
    const held = lane.heldTo < readNext ? NOTHING_HELD : this.heldOf(lane);
    const isNew = held.size === 0 && lane.settled.count(readNext, page.next - 1) === 0;
    if (!isNew || events.length !== page.next - readNext) {
      const keep = [...events.map(({ seq }) => seq), ...held.keys()];
      for (const [first, last] of gaps(lane, readNext, page.next - 1, keep)) {
        lane.settled.addRange(first, last);
        lane.dirty = true;
      }
    }
    this.#pages++;
    for (const event of events) {
      if (!isNew && (lane.settled.has(event.seq) || held.has(event.seq))) continue;
      const entry = Entry.of("stream", topic, event);
      entry.page = this.#pages;
      this.counts.recall(entry);
      this.ready.addStream(entry);
    }
    if (this.#pages % PAGES_SHARED === 0) this.ready.ownLines(this.#pages - PAGES_SHARED);
    lane.readNext = page.next;
    lane.lastSeq = Math.max(lane.lastSeq, page.next - 1);
  }

  /** Adds an event of a topic that stores nothing, if there is room. */
  feedEphemeral(event: StoredEvent, room: { events: number; bytes: number }): void {
    const { ready } = this;
    if (ready.bufferedEphemeral >= room.events || ready.bufferedBytes >= room.bytes) {
      this.dropped++;
    } else {
      ready.addStream(Entry.of("ephemeral", event.topic, event));
    }
  }

  /** Leases events that are ready. */
  lease(now: Now, order: LeaseOrder): Lease[] {
    const { ready } = this;
    ready.wake(now.mono);
    const expiry = { at: now.mono + order.leaseMs };
    let grant: Grant | undefined;
    let bytes = 0;
    for (let count = 0; count < order.max; count++) {
      const entry = ready.peek();
      if (!entry) break;
      if (ready.leases.size > 0 && ready.leasedBytes + entry.size > MAX_LEASED_BYTES) break;
      if (count > 0 && bytes + entry.size > order.maxBytes) break;
      const alone = (entry.unanswered ?? 0) >= ALONE_AFTER;
      if (order.load && !order.load.mayTake({ alone })) break;
      bytes += entry.size;
      grant ??= new Grant(order.token(), {
        consumer: order.consumer,
        instance: order.instance,
        load: order.load,
        bound: order.bound,
        startedAt: now.wall,
        startedMono: now.mono,
        leaseMs: order.leaseMs,
      });
      this.counts.leased(entry, grant.instance);
      ready.lease(new Lease(grant, entry, expiry));
      order.load?.took({ alone });
      if (entry.kind !== "stream") continue;
      const lane = this.lanes.get(entry.topic)!;
      lane.held++;
      if (entry.seq > lane.heldTo) lane.heldTo = entry.seq;
    }
    if (grant === undefined) return [];
    ready.watch(grant.leases, expiry);
    return grant.leases.slice() as Lease[];
  }

  /**
   * Leases an event of a topic that stores nothing, which a handler got directly, so that it can be
   * settled like any other.
   */
  leaseDirect(event: StoredEvent, now: Now, order: { token: string; consumer: string }): Lease {
    const entry = Entry.of("ephemeral", event.topic, event);
    const grant = new Grant(order.token, {
      consumer: order.consumer,
      bound: false,
      startedAt: now.wall,
      startedMono: now.mono,
    });
    const lease = new Lease(grant, entry, { at: Infinity });
    this.ready.leaseDirect(lease);
    return lease;
  }

  /**
   * Releases leases without counting an attempt: the events are ready again, in their old places.
   * Returns the tokens that were not leased.
   */
  release(tokens: readonly string[]): { settled: number; lost: string[] } {
    return this.#each(tokens, (lease) => {
      const { entry } = lease;
      this.endLease(lease);
      this.giveBack(entry);
    });
  }

  /** Its lease has ended without an answer: the event is ready again, or done if it was redacted. */
  giveBack(entry: Entry): void {
    if (!entry.redacted) return this.ready.giveBack(entry);
    const lane = entry.kind === "stream" ? this.lanes.get(entry.topic) : undefined;
    if (lane) {
      lane.settled.add(entry.seq);
      lane.dirty = true;
    }
    this.ready.drop(entry);
  }

  /** Ends a lease; the caller then says what happens to the event. */
  endLease(lease: Lease): void {
    this.ready.endLease(lease);
    lease.grant.load?.ended();
    if (lease.begun) this.counts.ended(lease);
    const { entry } = lease;
    const lane = entry.kind === "stream" ? this.lanes.get(entry.topic) : undefined;
    if (lane) lane.held--;
  }

  /** The stream events of a topic that are leased now, by seq. */
  heldOf({ topic }: TopicLane): Map<number, Entry> {
    const held = new Map<number, Entry>();
    for (const { entry } of this.ready.leases.values()) {
      if (entry.kind === "stream" && entry.topic === topic) held.set(entry.seq, entry);
    }
    return held;
  }

  /**
   * Marks leases whose handlers have begun, or will soon. Returns the tokens that are not leased,
   * and which of their leases were released because the connection closed.
   */
  begin(tokens: readonly string[], begun: "soon" | "now"): { lost: string[]; late: Lease[] } {
    const late: Lease[] = [];
    const { lost } = this.#each(tokens, (lease) => {
      if (lease.entry.kind === "ephemeral") return;
      lease.begun = begun;
      this.counts.begun(lease);
    });
    for (const token of lost) {
      const lease = this.returned.get(token);
      if (lease && lease.begun === undefined) late.push(lease);
    }
    return { lost, late };
  }

  /** Handlers have ended with these: their answers are being processed. */
  answer(tokens: readonly string[]): void {
    for (const token of tokens) {
      const lease = this.ready.leases.get(token);
      if (lease?.begun) lease.begun = "answered";
    }
  }

  /** The bound leases of a consumer that are not being settled. */
  boundTo(consumer: string): Lease[] {
    return [...this.ready.leases.values()]
      .filter(({ grant, settling }) => grant.bound && grant.consumer === consumer && !settling);
  }

  /** Leases an event for a late answer. Undefined if an outcome is already being committed. */
  leaseLate(entry: Entry, now: Now, token: string): Lease | undefined {
    if (entry.lease) return entry.lease.settling ? undefined : entry.lease;
    const grant = new Grant(token, {
      consumer: "late",
      bound: false,
      startedAt: now.wall,
      startedMono: now.mono,
    });
    const lease = new Lease(grant, entry, { at: Infinity });
    this.ready.leaseOut(lease);
    const lane = entry.kind === "stream" ? this.lanes.get(entry.topic) : undefined;
    if (lane) {
      lane.held++;
      lane.heldTo = Math.max(lane.heldTo, entry.seq);
    }
    return lease;
  }

  /** Extends leases to `leaseMs` from now. */
  extend(
    tokens: readonly string[],
    leaseMs: number,
    now: Now,
  ): { settled: number; lost: string[] } {
    const expiry = { at: now.mono + leaseMs };
    const extended: Lease[] = [];
    const reply = this.#each(tokens, (lease) => {
      lease.expiry = expiry;
      extended.push(lease);
    });
    this.ready.watch(extended, expiry);
    return reply;
  }

  #each(tokens: readonly string[], action: (lease: Lease) => void) {
    const lost: string[] = [];
    for (const token of tokens) {
      const lease = this.ready.leases.get(token);
      if (!lease || lease.settling) lost.push(token);
      else action(lease);
    }
    return { settled: tokens.length - lost.length, lost };
  }

  /** Drops what was read and is not leased, so that it is read again: the settings have changed. */
  rewind(): void {
    for (const lane of this.lanes.values()) {
      for (const entry of this.ready.bufferedOf(lane.topic)) {
        lane.readNext = Math.min(lane.readNext, entry.seq);
        this.ready.drop(entry);
      }
    }
  }

  /** Events still to be delivered: not settled, not leased, not scheduled. */
  get pending(): number {
    let pending = this.ready.bufferedEphemeral;
    for (const lane of this.lanes.values()) {
      pending += Math.max(0, lane.lastSeq - lane.settled.size - lane.held);
    }
    return pending;
  }

  get leased(): number {
    return this.ready.leases.size;
  }

  /** Waiting retries, due or not. */
  get scheduled(): number {
    return this.ready.scheduled;
  }

  /** True if nothing is left to deliver. */
  get drained(): boolean {
    return this.leased === 0 && this.scheduled === 0 && this.pending === 0;
  }

  /** True if something is settled in memory but not stored. */
  get dirty(): boolean {
    for (const lane of this.lanes.values()) if (lane.dirty) return true;
    return false;
  }
}

/** A retry as an entry. `size`: bytes of its line, if known. */
export function retryEntry(
  retry: Omit<RetryRecord, "line" | "attempts">,
  now: Now,
  size = 4096,
): Entry {
  const { topic, seq, key, id, type } = retry;
  const entry = Entry.ofRetry({ topic, seq, key, size }, { id, type });
  entry.nextAttempt = retry.nextAttempt;
  entry.failures = retry.failures;
  entry.dueMono = now.mono + waitLeft(retry, now.wall);
  return entry;
}

/**
 * The ranges of `from` to `to` without the seqs in `keep` (any order). Ranges may include settled
 * seqs.
 */
function* gaps(
  lane: TopicLane,
  from: number,
  to: number,
  keep: Iterable<number>,
): Generator<[number, number]> {
  let next = Math.max(from, lane.settled.firstGap(1));
  const kept = [...keep].sort((a, b) => a - b);
  for (const seq of kept) {
    if (seq < next || seq > to) continue;
    if (seq > next) yield [next, seq - 1];
    next = seq + 1;
  }
  if (next <= to) yield [next, to];
}
