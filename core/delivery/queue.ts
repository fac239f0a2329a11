/**
 * The delivery of one subscription: a state machine without I/O, clock or promises.
 *
 * For each topic it keeps what is settled (a set whose first gap is the cursor), and for each event
 * in memory whether it is ready, waiting or leased. Of a subscription that is divided between nodes
 * it has some parts, which come and go (take_over.ts, give_back.ts). Its driver (driver.ts) feeds it
 * pages, passes on its leases, and commits what a {@link Plan} says. Plans are applied only once
 * they are durable, so memory is never ahead of the disk. One plan at a time is under way.
 */
import type { StoredEvent } from "../event/event.ts";
import type { Missed } from "../reading/missed.ts";
import type { SubscriptionSettings } from "../state/state.ts";
import type { RedactedEvents } from "../state/redactions.ts";
import { Breaker } from "../event/breaker.ts";
import { isInParts, type PartMask, partOf, partsIn } from "../event/part.ts";
import { Entry, type Now } from "./entry.ts";
import { ExpiredCounts } from "./expired_counts.ts";
import { Grant, Lease } from "./leases.ts";
import { gaps, MissedEvents } from "./missed_events.ts";
import { cursorIn, type PartLane, PartLanes, pendingIn } from "./part_lanes.ts";
import type { ProcessLoad } from "./process_load.ts";
import { ReadyQueue } from "./ready_queue.ts";
import { DeliveryCounts } from "./delivery_counts.ts";
import type { DeliveryRows } from "./delivery_rows.ts";
import { retryEntry } from "./retry_entry.ts";
import { ALONE_AFTER, ReturnedLeases } from "./unanswered.ts";
import { storedOf, type WireEvent } from "./wire_event.ts";

/** The start of a queue: its part of a state snapshot. */
export interface QueueStart extends DeliveryRows {
  name: string;
  settings: SubscriptionSettings;
  /** How many parts the subscription has. Absent: one. */
  parts?: number;
  /** The parts that it has from the start. Absent: all. */
  own?: PartMask;
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

const NOTHING_HELD: ReadonlyMap<number, Entry> = new Map();

/** The delivery queue of one subscription. */
export class DeliveryQueue {
  readonly name: string;
  settings: SubscriptionSettings;
  readonly lanes: PartLanes;
  readonly ready: ReadyQueue = new ReadyQueue();
  readonly breaker: Breaker = new Breaker();
  readonly returned: ReturnedLeases = new ReturnedLeases();
  readonly counts: DeliveryCounts = new DeliveryCounts();
  /** Events of topics that store nothing, dropped because they were not consumed in time. */
  dropped = 0;
  /** Redacted events that were not delivered, since the start. */
  redacted = 0;
  readonly #redactedEvents: RedactedEvents | undefined;
  /** How many events expired before they were handled. */
  readonly expired: ExpiredCounts = new ExpiredCounts();
  readonly missed: MissedEvents = new MissedEvents();
  /** Pages that were fed. */
  #pages = 0;

  constructor(start: QueueStart, now: Now) {
    this.name = start.name;
    this.settings = start.settings;
    this.#redactedEvents = start.redacted;
    this.lanes = new PartLanes(start.parts, start.own);
    this.load(start, now);
  }

  /** Adds what is stored of parts that are here, and of which nothing is in memory. */
  load(rows: DeliveryRows, now: Now): void {
    const { lanes } = this;
    for (const { topic, next, parts = 1 } of rows.cursors) {
      const own = parts & lanes.own;
      if (own !== 0) lanes.begin(topic, { next, parts: own, written: true });
    }
    for (const { topic, seq, part = 0 } of rows.done) lanes.at(topic, part)?.settled.add(seq);
    for (const row of rows.missed) lanes.loadMissed(row);
    for (const row of rows.expired ?? []) this.expired.load(row);
    this.counts.load(rows);
    for (const retry of rows.retries) {
      const entry = retryEntry(retry, now);
      this.counts.recall(entry);
      this.ready.addRetry(entry);
    }
    this.ready.wake(now.mono);
  }

  /** Starts on a topic at `next`, with all parts. `written`: its cursor is already stored. */
  addLane(topic: string, next: number, { written }: { written: boolean }): PartLane {
    return this.lanes.restart(topic, { next, written });
  }

  /** Starts on a topic with the parts that have not begun on it; true if there are any. */
  addTopic(topic: string, next: number): boolean {
    const parts = this.lanes.lacking(topic);
    if (parts !== 0) this.lanes.begin(topic, { next, parts, written: false });
    return parts !== 0;
  }

  /** The first seq of the topic that is not settled. */
  cursorOf(lane: PartLane): number {
    return cursorIn(lane);
  }

  /** The part of an event, from 0. */
  partOf(event: { seq: number; key?: string | undefined }): number {
    return partOf(event, this.lanes.count);
  }

  /** The lane of a stream event; undefined for any other, and where its part is not here. */
  laneOf({ kind, topic, part }: Entry): PartLane | undefined {
    return kind === "stream" ? this.lanes.at(topic, part) : undefined;
  }

  /**
   * Updates a topic's bounds in the store. Events deleted before they were read are missed:
   * counted, and settled. Returns how many there were.
   */
  look(topic: string, head: { firstSeq: number; lastSeq: number }): number {
    let count = 0;
    for (const lane of this.lanes.of(topic)) {
      lane.lastSeq = Math.max(lane.lastSeq, head.lastSeq);
      if (lane.readNext >= head.firstSeq || lane.frozen) continue;
      const from = Math.max(lane.readNext, this.cursorOf(lane));
      lane.readNext = head.firstSeq;
      const missed = this.#miss(lane, from, head.firstSeq - 1);
      if (missed === undefined) continue;
      this.missed.tell(missed);
      count += missed.count;
    }
    return count;
  }

  /** What was missed since the last call, to be reported to a consumer. */
  takeMissed(): readonly Missed[] {
    return this.missed.take();
  }

  /** Events that are damaged or missing and cannot be delivered: counted as missed, and settled. */
  lose(lane: PartLane, from: number, to: number): void {
    this.#miss(lane, Math.max(from, this.cursorOf(lane)), to);
  }

  #miss(lane: PartLane, from: number, to: number): Missed | undefined {
    const held = this.heldOf(lane).keys();
    return this.missed.miss(lane, { from, to, held, parts: this.lanes.selectionOf(lane) });
  }

  /** Where all lanes of a topic read on; undefined if they are at different seqs. */
  readNextOf(topic: string): number | undefined {
    const lanes = this.lanes.of(topic).filter(({ frozen }) => !frozen);
    const next = lanes[0]?.readNext;
    return lanes.every(({ readNext }) => readNext === next) ? next : undefined;
  }

  /** The same as {@link feedLane} for each lane of a topic: it gets the events of its parts. */
  feed(
    topic: string,
    page: { events: readonly (StoredEvent | WireEvent)[]; next: number },
  ): void {
    for (const lane of this.lanes.of(topic)) {
      const parts = this.lanes.selectionOf(lane);
      const events = parts ? page.events.filter((event) => isInParts(event, parts)) : page.events;
      this.feedLane(lane, { ...page, events });
    }
  }

  /**
   * Adds what was read: `events` are the wanted ones among the seqs from `readNext` up to but not
   * including `next`; the others are skipped and count as done.
   */
  feedLane(
    lane: PartLane,
    page: { events: readonly (StoredEvent | WireEvent)[]; next: number },
  ): void {
    if (page.next <= lane.readNext || lane.frozen) return;
    const { topic, readNext } = lane;
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
      if (this.lanes.count > 1) entry.part = this.#partIn(lane, event);
      entry.page = this.#pages;
      this.counts.recall(entry);
      this.ready.addStream(entry);
    }
    if (this.#pages % PAGES_SHARED === 0) this.ready.ownLines(this.#pages - PAGES_SHARED);
    lane.readNext = page.next;
    lane.lastSeq = Math.max(lane.lastSeq, page.next - 1);
  }

  /**
   * The part of an event that was read for a lane. A redacted event keeps the part that it had,
   * which its key does not tell any more.
   */
  #partIn({ parts }: PartLane, event: StoredEvent | WireEvent): number {
    const part = this.partOf(event);
    return (parts & 1 << part) !== 0 ? part : partsIn(parts)[0]!;
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
      const lane = this.laneOf(entry);
      if (!lane) continue;
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
    if (this.#isFrozen(entry)) return this.ready.drop(entry);
    if (!entry.redacted) return this.ready.giveBack(entry);
    const lane = this.laneOf(entry);
    if (lane) {
      lane.settled.add(entry.seq);
      lane.dirty = true;
    }
    this.ready.drop(entry);
  }

  /** The event of a delivery that failed waits for its next attempt. */
  schedule(entry: Entry): void {
    if (this.#isFrozen(entry)) this.ready.drop(entry);
    else this.ready.schedule(entry);
  }

  /** Its part is to be given back: whoever gets that has what is stored of the event. */
  #isFrozen({ kind, part }: Entry): boolean {
    return this.lanes.frozen !== 0 && kind !== "ephemeral" && (this.lanes.frozen & 1 << part) !== 0;
  }

  /** Ends a lease; the caller then says what happens to the event. */
  endLease(lease: Lease): void {
    this.ready.endLease(lease);
    lease.grant.load?.ended();
    if (lease.begun) this.counts.ended(lease);
    const lane = this.laneOf(lease.entry);
    if (lane) lane.held--;
  }

  /** The stream events of a lane that are leased now, by seq. */
  heldOf({ topic, parts }: PartLane): Map<number, Entry> {
    const held = new Map<number, Entry>();
    for (const { entry } of this.ready.leases.values()) {
      if (entry.kind !== "stream" || entry.topic !== topic) continue;
      if ((parts & 1 << entry.part) !== 0) held.set(entry.seq, entry);
    }
    return held;
  }

  /** The stream events of a lane that are in memory and not leased. */
  bufferedOf({ topic, parts }: PartLane): Entry[] {
    return this.ready.bufferedOf(topic).filter(({ part }) => (parts & 1 << part) !== 0);
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
    const lane = this.laneOf(entry);
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
    for (const lane of this.lanes) {
      for (const entry of this.bufferedOf(lane)) {
        lane.readNext = Math.min(lane.readNext, entry.seq);
        this.ready.drop(entry);
      }
    }
  }

  /** Events still to be delivered: not settled, not leased, not scheduled. */
  get pending(): number {
    let pending = this.ready.bufferedEphemeral;
    for (const lane of this.lanes) pending += pendingIn(lane, this.lanes);
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
    for (const lane of this.lanes) if (lane.dirty) return true;
    return false;
  }
}
