/**
 * The events that one subscription has in memory, and which of them may be delivered next.
 *
 * An event is ready if no event of its key is leased, no retry of its key waits, and no earlier
 * event of its key is undelivered. So events of one key never overtake each other, and other keys
 * go on. Nothing here is durable, nothing reads a clock.
 */
import type { Entry, KeyGroup } from "./entry.ts";
import { Heap } from "./heap.ts";
import { type Expiry, type Lease, Leases } from "./leases.ts";

/** A retry that waits. */
interface Timed {
  at: number;
  item: Entry;
}

/** Leases that expire together. */
interface Ending {
  readonly expiry: Expiry;
  readonly leases: readonly (Lease | undefined)[];
  /** How many there were. */
  readonly count: number;
  /** The leases before this index have been settled or extended, or are being settled. */
  next: number;
}

/** Expired leases kept for late acknowledgements, besides as many live ones. */
const MOST_OVER = 16_384;

/** The buffered events of one subscription, and which may be next. */
export class ReadyQueue {
  readonly leases: Leases = new Leases();
  /** Retries by topic and id, including leased ones. */
  readonly retries: Map<string, Entry> = new Map();
  readonly #ready = new Heap<Entry>((entry) => entry.order);
  readonly #groups = new Map<string, KeyGroup>();
  readonly #due = new Heap<Timed>(({ at }) => at);
  #expiry = endings();
  /** How many leases are in the expiry heap. */
  #watched = 0;
  #order = 0;
  /** Bytes of events that are not leased, and of leased ones. */
  bufferedBytes = 0;
  leasedBytes = 0;
  leasedRetries = 0;
  leasedStream = 0;
  bufferedEphemeral = 0;
  /** Stream and ephemeral events that are not leased. */
  buffered = 0;

  /** Retries that are not leased. */
  get scheduled(): number {
    return this.retries.size - this.leasedRetries;
  }

  retryOf(topic: string, id: string): Entry | undefined {
    return this.retries.get(retryKey(topic, id));
  }

  /** Adds a stream or ephemeral event, after all earlier ones. */
  addStream(entry: Entry): void {
    entry.order = ++this.#order;
    this.#buffer(entry);
    entry.group = this.#groupOf(entry);
    entry.group?.waiting.push(entry);
    this.#promote(entry);
  }

  /** Adds a retry; it is ready once it is due. */
  addRetry(entry: Entry): void {
    this.retries.set(retryKey(entry.topic, entry.id), entry);
    this.schedule(entry);
  }

  /** Schedules a retry, or schedules it again. */
  schedule(entry: Entry): void {
    entry.group ??= this.#groupOf(entry);
    if (entry.group) insertBySeq(entry.group.scheduled, entry);
    if (!entry.due) this.#due.push({ at: entry.dueMono, item: entry });
    this.#promote(entry);
  }

  /** Marks the retries whose wait is over. */
  wake(mono: number): void {
    for (let next = this.#nextDue(); next && next.at <= mono; next = this.#nextDue()) {
      this.#due.pop();
      this.makeDue(next.item);
    }
  }

  makeDue(entry: Entry): void {
    if (entry.due) return;
    entry.due = true;
    if (!entry.lease) this.#promote(entry);
  }

  /** When the next wait or lease ends; Infinity if none does. */
  get nextDueMono(): number {
    return this.#nextDue()?.at ?? Infinity;
  }

  /** The retry whose wait ends next; undefined if none is waiting. */
  get nextRetry(): Entry | undefined {
    return this.#nextDue()?.item;
  }

  get nextExpiryMono(): number {
    return this.#nextExpiry()?.expiry.at ?? Infinity;
  }

  /**
   * Removes expired leases that are not being settled from the expiry heap. They stay leases until
   * they are settled.
   */
  expired(mono: number): Lease[] {
    const ended: Lease[] = [];
    for (let next = this.#nextExpiry(); next && next.expiry.at <= mono; next = this.#nextExpiry()) {
      this.#popExpiry();
      for (const lease of next.leases) if (lease && endsWith(lease, next.expiry)) ended.push(lease);
    }
    return ended;
  }

  /** Watches the expiry of these leases, which all expire at the same time. */
  watch(leases: readonly (Lease | undefined)[], expiry: Expiry): void {
    if (leases.length === 0 || !Number.isFinite(expiry.at)) return;
    this.#watch(leases, expiry);
    if (this.#watched > 2 * this.leases.size + MOST_OVER) this.#unwatchEnded();
  }

  /** Extends all leases by this many ms. */
  extendAll(ms: number): void {
    // Several lease responses may share one expiry. All move equally, so the order stays.
    for (const expiry of new Set([...this.#expiry].map(({ expiry }) => expiry))) expiry.at += ms;
  }

  /** How many leases are in the expiry heap, including ended ones. */
  get watched(): number {
    return this.#watched;
  }

  #watch(leases: readonly (Lease | undefined)[], expiry: Expiry): void {
    const count = leases.length;
    this.#expiry.push({ expiry, leases, count, next: 0 });
    this.#watched += count;
  }

  #popExpiry(): void {
    this.#watched -= this.#expiry.pop()!.count;
  }

  /**
   * Removes ended leases from the heap: one that is leased for a day must not keep all that expire
   * later in memory.
   */
  #unwatchEnded(): void {
    const before = this.#expiry;
    this.#expiry = endings();
    this.#watched = 0;
    const seen = new Set<Lease>();
    for (const { expiry, leases } of before) {
      const held: Lease[] = [];
      for (const lease of leases) {
        // After a refused commit a lease is in the heap twice.
        if (!lease || !endsWith(lease, expiry) || seen.has(lease)) continue;
        seen.add(lease);
        held.push(lease);
      }
      if (held.length > 0) this.#watch(held, expiry);
    }
  }

  /** The next event that may be leased, without leasing it. */
  peek(): Entry | undefined {
    for (let entry = this.#ready.peek(); entry; entry = this.#ready.peek()) {
      if (isNext(entry)) return entry;
      entry.ready = false;
      this.#ready.pop();
    }
    return undefined;
  }

  /** Leases what `peek` returned. Call `watch` for leases made together. */
  lease(lease: Lease): void {
    const { entry } = lease;
    this.#ready.pop();
    entry.ready = false;
    entry.lease = lease;
    if (entry.group) {
      (entry.kind === "retry" ? entry.group.scheduled : entry.group.waiting).shift();
      entry.group.leased = entry;
    }
    if (entry.kind === "retry") this.leasedRetries++;
    else this.#unbuffer(entry);
    if (entry.kind === "stream") this.leasedStream++;
    this.leasedBytes += entry.size;
    this.leases.add(lease);
  }

  /** Leases an event in memory, whatever its place. */
  leaseOut(lease: Lease): void {
    const { entry } = lease;
    // It may stay in the ready heap, which ignores leased events.
    entry.lease = lease;
    if (entry.group) {
      remove(entry.kind === "retry" ? entry.group.scheduled : entry.group.waiting, entry);
      entry.group.leased ??= entry;
    }
    if (entry.kind === "retry") this.leasedRetries++;
    else if (entry.buffered) this.#unbuffer(entry);
    if (entry.kind === "stream") this.leasedStream++;
    this.leasedBytes += entry.size;
    this.leases.add(lease);
  }

  /** Adds a lease on an event that was never in the queue. */
  leaseDirect(lease: Lease): void {
    lease.entry.lease = lease;
    this.leasedBytes += lease.entry.size;
    this.leases.add(lease);
  }

  /** Ends a lease; next, say what happens to the event: `giveBack`, `schedule` or `drop`. */
  endLease(lease: Lease): void {
    const { entry } = lease;
    this.leases.delete(lease);
    entry.lease = undefined;
    this.leasedBytes -= entry.size;
    if (entry.kind === "retry") this.leasedRetries--;
    if (entry.kind === "stream") this.leasedStream--;
    if (entry.group?.leased === entry) entry.group.leased = undefined;
  }

  /** Puts the event back in its place. */
  giveBack(entry: Entry): void {
    if (entry.kind === "retry") return this.schedule(entry);
    this.#buffer(entry);
    entry.group?.waiting.unshift(entry);
    this.#promote(entry);
  }

  /** A leased stream event becomes a retry; call between `endLease` and `schedule`. */
  becomeRetry(entry: Entry): void {
    entry.becomeRetry();
    this.retries.set(retryKey(entry.topic, entry.id), entry);
  }

  /** The event is settled or skipped and leaves the queue. Its lease must have ended. */
  drop(entry: Entry): void {
    entry.gone = true;
    if (entry.buffered) this.#unbuffer(entry);
    if (entry.kind === "retry") {
      const key = retryKey(entry.topic, entry.id);
      if (this.retries.get(key) === entry) this.retries.delete(key);
    }
    if (!entry.group) return;
    remove(entry.group.waiting, entry);
    remove(entry.group.scheduled, entry);
    this.#promoteGroup(entry.group);
  }

  /** The stream events of a topic that are not leased. */
  bufferedOf(topic: string): Entry[] {
    return this.allBuffered().filter((entry) => entry.topic === topic && entry.kind === "stream");
  }

  /**
   * Makes events read before page number `page` copy their lines, so that those pages can be freed.
   */
  ownLines(page: number): void {
    const own = (entry: Entry) => {
      if (entry.page < page) entry.ownLine();
    };
    for (const { entry } of this.leases.values()) own(entry);
    for (const entry of this.#ready) own(entry);
    for (const { waiting } of this.#groups.values()) waiting.forEach(own);
  }

  /**
   * The stream and ephemeral events that are not leased, oldest first. Each is ready, or waits
   * behind another one of its key.
   */
  allBuffered(): Entry[] {
    const found = new Set<Entry>();
    for (const entry of this.#ready) if (entry.buffered) found.add(entry);
    for (const { waiting } of this.#groups.values()) {
      for (const entry of waiting) if (entry.buffered) found.add(entry);
    }
    return [...found].sort((a, b) => a.order - b.order);
  }

  #buffer(entry: Entry): void {
    entry.buffered = true;
    this.buffered++;
    this.bufferedBytes += entry.size;
    if (entry.kind === "ephemeral") this.bufferedEphemeral++;
  }

  #unbuffer(entry: Entry): void {
    entry.buffered = false;
    this.buffered--;
    this.bufferedBytes -= entry.size;
    if (entry.kind === "ephemeral") this.bufferedEphemeral--;
  }

  #groupOf(entry: Entry): KeyGroup | undefined {
    if (entry.key === undefined) return undefined;
    const name = `${entry.topic}\n${entry.key}`;
    let group = this.#groups.get(name);
    if (!group) {
      this.#groups.set(name, group = { name, leased: undefined, scheduled: [], waiting: [] });
    }
    return group;
  }

  #promote(entry: Entry): void {
    if (entry.group) this.#promoteGroup(entry.group);
    else this.#makeReady(entry);
  }

  #promoteGroup(group: KeyGroup): void {
    if (group.leased) return;
    const next = group.scheduled[0] ?? group.waiting[0];
    if (next) this.#makeReady(next);
    else this.#groups.delete(group.name);
  }

  #makeReady(entry: Entry): void {
    if (entry.ready || !isNext(entry)) return;
    if (entry.kind === "retry") entry.order = ++this.#order;
    entry.ready = true;
    this.#ready.push(entry);
  }

  #nextDue(): Timed | undefined {
    for (let next = this.#due.peek(); next; next = this.#due.peek()) {
      const { item: entry, at } = next;
      if (!entry.gone && !entry.due && !entry.lease && entry.dueMono === at) return next;
      this.#due.pop();
    }
    return undefined;
  }

  #nextExpiry(): Ending | undefined {
    for (let next = this.#expiry.peek(); next; next = this.#expiry.peek()) {
      for (; next.next < next.leases.length; next.next++) {
        const lease = next.leases[next.next];
        if (lease && endsWith(lease, next.expiry)) return next;
      }
      this.#popExpiry();
    }
    return undefined;
  }
}

function endings(): Heap<Ending> {
  return new Heap(({ expiry }) => expiry.at);
}

/** True if the lease is active and expires at that time. */
function endsWith(lease: Lease, expiry: Expiry): boolean {
  return lease.entry.lease === lease && !lease.settling && lease.expiry === expiry;
}

/** True if nothing keeps the event from being leased now. */
function isNext(entry: Entry): boolean {
  if (entry.gone || entry.lease || entry.redacted) return false;
  const { group } = entry;
  if (entry.kind === "retry") {
    return entry.due && (!group || (!group.leased && group.scheduled[0] === entry));
  }
  return !group || (!group.leased && group.scheduled.length === 0 && group.waiting[0] === entry);
}

function insertBySeq(entries: Entry[], entry: Entry): void {
  let at = entries.length;
  while (at > 0 && entries[at - 1]!.seq > entry.seq) at--;
  entries.splice(at, 0, entry);
}

function remove(entries: Entry[], entry: Entry): void {
  const at = entries.indexOf(entry);
  if (at >= 0) entries.splice(at, 1);
}

function retryKey(topic: string, id: string): string {
  return `${topic}\n${id}`;
}
