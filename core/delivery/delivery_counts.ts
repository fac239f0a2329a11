/**
 * Counts how often each event of one subscription was delivered without an answer, and tracks what
 * its consumers have begun; the rules are in core/delivery/unanswered.ts. Nothing here is durable:
 * the callers store the changes that they get.
 */
import { partField, type PartMask } from "../event/part.ts";
import type { BegunEvent, StateChange, UnansweredRecord } from "../state/state.ts";
import { DeliveryTally } from "./delivery_tally.ts";
import type { Entry } from "./entry.ts";
import type { Lease } from "./leases.ts";
import {
  answeredChange,
  countAfter,
  nameOf,
  type OpenDelivery,
  unansweredChange,
} from "./unanswered.ts";

/** Counts the deliveries of an event that ended without an answer. */
export class DeliveryCounts {
  /** What became of deliveries since the start. */
  readonly tally: DeliveryTally = new DeliveryTally();
  readonly #counts = new Map<string, { count: number; part: number }>();
  readonly #counted = new Set<Entry>();
  /** What other processes had begun when the previous broker process ended. */
  readonly #open = new Map<string, OpenDelivery>();
  /** Entries whose counts changed when they were leased, and that are not stored yet. */
  #recounted: Entry[] = [];
  /** Consumers whose open deliveries differ from what is stored. */
  readonly #touched = new Set<string>();
  /**
   * Counts that are presumed because another consumer has the event now; the previous one may only
   * be slow to reconnect.
   */
  #presumed: { instance: string; entry: Entry; before: number | undefined }[] = [];
  /** Leases whose handlers have begun, by consumer instance. */
  readonly #begun = new Map<string, Set<Lease>>();

  /** Adds what is stored. */
  load(rows: { unanswered?: readonly UnansweredRecord[]; open?: readonly OpenDelivery[] }): void {
    for (const { topic, id, count, part = 0 } of rows.unanswered ?? []) {
      this.#counts.set(`${topic}\n${id}`, { count, part });
    }
    for (const open of rows.open ?? []) this.#open.set(`${open.topic}\n${open.id}`, open);
  }

  /** Sets the known count on an entry that was just read. */
  recall(entry: Entry): void {
    if (this.#counts.size > 0) entry.unanswered = this.#counts.get(keyOf(entry))?.count;
  }

  /** Sets how many deliveries of an event ended without an answer. */
  count(entry: Entry, count: number, { holder }: { holder?: string } = {}): void {
    if (holder !== undefined) entry.holder = { instance: holder, before: entry.unanswered };
    this.#counted.add(entry);
    this.#recount(entry, count);
  }

  #recount(entry: Entry, count: number | undefined): void {
    entry.unanswered = count;
    if (count === undefined) this.#counts.delete(keyOf(entry));
    else this.#counts.set(keyOf(entry), { count, part: entry.part });
  }

  /** Entries counted in this process whose count has reached `most`. */
  spent(most: number): Entry[] {
    return [...this.#counted].filter((entry) => (entry.unanswered ?? 0) >= most);
  }

  /** The event was answered: drops its count. */
  answered(entry: Entry): void {
    this.#counts.delete(keyOf(entry));
    this.#counted.delete(entry);
    entry.unanswered = undefined;
    entry.holder = undefined;
  }

  /** What is known about the events of these parts is known elsewhere. */
  leave(parts: PartMask): void {
    const isGone = ({ part = 0 }: { part?: number }) => (parts & 1 << part) !== 0;
    for (const [key, count] of this.#counts) if (isGone(count)) this.#counts.delete(key);
    for (const [key, open] of this.#open) if (isGone(open)) this.#open.delete(key);
    for (const entry of this.#counted) if (isGone(entry)) this.#counted.delete(entry);
    this.#recounted = this.#recounted.filter((entry) => !isGone(entry));
    this.#presumed = this.#presumed.filter(({ entry }) => !isGone(entry));
  }

  /** Drops what is known about the events of a topic. */
  clear(topic: string): void {
    for (const known of [this.#counts, this.#open]) {
      for (const key of known.keys()) if (key.startsWith(`${topic}\n`)) known.delete(key);
    }
  }

  /**
   * Called when an event is leased. Either its last consumer continues with it, or another one gets
   * it, and then the last delivery has ended.
   */
  leased(entry: Entry, instance: string): void {
    if (!entry.holder && this.#open.size === 0) return;
    const open = this.#open.get(keyOf(entry));
    if (open) {
      this.#open.delete(keyOf(entry));
      // Where nodes share the subscription, the record is its consumer's node's.
      if (!open.isShared) this.#touched.add(open.consumer);
    }
    const before = entry.unanswered;
    if (open && open.consumer !== instance) {
      entry.unanswered = countAfter(before, open);
      this.#presumed.push({ instance: open.consumer, entry, before });
    } else if (entry.holder?.instance === instance) {
      entry.unanswered = entry.holder.before;
    }
    entry.holder = undefined;
    if (entry.unanswered === before) return;
    this.#recount(entry, entry.unanswered);
    this.#recounted.push(entry);
  }

  /** A consumer has reconnected after a restart of the broker: what it had begun continues. */
  cameBack(instance: string): void {
    if (this.#presumed.length === 0) return;
    const mine = this.#presumed.filter((one) => one.instance === instance);
    this.#presumed = this.#presumed.filter((one) => one.instance !== instance);
    for (const { entry, before } of mine) {
      if (entry.gone || entry.unanswered === undefined) continue;
      this.#recount(entry, before);
      this.#recounted.push(entry);
    }
  }

  /** The changes to store for the recounts so far. */
  takeRecounts(subscription: string): StateChange[] {
    if (this.#recounted.length === 0 && this.#touched.size === 0) return [];
    const counts = this.#recounted.splice(0).map((entry) =>
      entry.unanswered === undefined
        ? answeredChange(subscription, entry)
        : unansweredChange(subscription, entry, entry.unanswered)
    );
    const rows = [...this.#touched].map((consumer) => this.#openRow(subscription, consumer));
    this.#touched.clear();
    return [...counts, ...rows];
  }

  /** What is still open of the deliveries that a consumer had begun. */
  #openRow(subscription: string, consumer: string): StateChange {
    const events = [...this.#open.values()].filter((open) => open.consumer === consumer)
      .map(({ topic, id, seq, attempt, part = 0, soon }) => ({
        topic,
        id,
        seq,
        attempt,
        ...(soon ? { soon } : {}),
        ...partField(part),
      }));
    return events.length > 0
      ? { op: "begun.put", record: { subscription, consumer, events } }
      : { op: "begun.remove", subscription, consumer };
  }

  /** The handler of a lease has begun, or will soon. */
  begun(lease: Lease): void {
    const { instance } = lease.grant;
    const all = this.#begun.get(instance);
    if (all) all.add(lease);
    else this.#begun.set(instance, new Set([lease]));
  }

  /** A lease whose handler had begun has ended. */
  ended(lease: Lease): void {
    const { instance } = lease.grant;
    const all = this.#begun.get(instance);
    if (all?.delete(lease) && all.size === 0) this.#begun.delete(instance);
  }

  /** True if any handler has begun and not ended. */
  get hasBegun(): boolean {
    return this.#begun.size > 0;
  }

  /**
   * The deliveries that the handlers of an instance have begun, to be stored. `epochOf`: under which
   * claim of a part, where nodes share the subscription.
   */
  begunBy(instance: string, epochOf: (part: number) => number | undefined): BegunEvent[] {
    const open = [...this.#begun.get(instance) ?? []].filter(({ isOpen }) => isOpen);
    return open.map(({ entry, attempt, begun }) => {
      const epoch = epochOf(entry.part);
      return {
        topic: entry.topic,
        id: nameOf(entry),
        seq: entry.seq,
        attempt,
        ...(begun === "soon" ? { soon: true } : {}),
        ...partField(entry.part),
        ...(epoch === undefined ? {} : { epoch }),
      };
    });
  }
}

function keyOf(entry: Entry): string {
  return `${entry.topic}\n${nameOf(entry)}`;
}
