/**
 * The leases of consumers, grouped by lease response: a {@link Grant} holds what the leases of one
 * response share, and the leases by their place in it. A token names both, `GRANT.PLACE`, so a
 * thousand leases need no strings, map entries or timers of their own until somebody asks for one.
 */
import type { RetryRecord } from "../state/state.ts";
import type { Event } from "../event/event.ts";
import { eventOfLine } from "../event/event_lines.ts";
import type { ProcessLoad } from "./process_load.ts";
import type { Entry } from "./entry.ts";

const decoder = new TextDecoder();
const ZERO = 0x30;
/** More digits than any response needs. */
const MOST_DIGITS = 6;

/** The leases of one response: which consumer got them, and when. */
export class Grant {
  /** Never used before. */
  readonly name: string;
  readonly consumer: string;
  /** Identifies one run of the consumer's process, across connections. */
  readonly instance: string;
  /** What that process has leased. */
  readonly load: ProcessLoad | undefined;
  /** Released when the consumer's connection closes. */
  readonly bound: boolean;
  readonly startedAt: number;
  readonly startedMono: number;
  /** The requested lease duration, ms; Infinity if leases do not expire. */
  readonly leaseMs: number;
  /** By place; undefined once a lease has ended. */
  readonly leases: (Lease | undefined)[] = [];
  /** How many have not ended. */
  live = 0;

  constructor(
    name: string,
    about: {
      consumer: string;
      instance?: string | undefined;
      load?: ProcessLoad | undefined;
      bound: boolean;
      startedAt: number;
      startedMono: number;
      leaseMs?: number;
    },
  ) {
    this.name = name;
    this.consumer = about.consumer;
    this.instance = about.instance ?? about.consumer;
    this.load = about.load;
    this.bound = about.bound;
    this.startedAt = about.startedAt;
    this.startedMono = about.startedMono;
    this.leaseMs = about.leaseMs ?? Infinity;
  }

  /**
   * Its consumer names itself, is given up with its connection, and extends what it has. Where such
   * a lease runs out, the consumer stands still: that says nothing about the event.
   */
  get isExtended(): boolean {
    return this.bound && this.instance.includes(":");
  }
}

/**
 * When leases expire, in monotonic ms; Infinity if never. Shared by leases that were made or
 * extended together.
 */
export interface Expiry {
  at: number;
}

/** An event that is leased to a consumer. */
export class Lease {
  readonly grant: Grant;
  readonly place: number;
  readonly entry: Entry;
  readonly attempt: number;
  expiry: Expiry;
  /** Its outcome is being committed: nobody else may settle it. */
  settling = false;
  /**
   * Its handler has begun, or will soon, together with others; or it has ended, and its answer is
   * being processed.
   */
  begun: "soon" | "now" | "answered" | undefined = undefined;
  /** The row of a retry, read for this lease. */
  record: RetryRecord | undefined = undefined;

  /** Takes the next place in its grant. */
  constructor(grant: Grant, entry: Entry, expiry: Expiry) {
    this.grant = grant;
    this.place = grant.leases.push(this) - 1;
    grant.live++;
    this.entry = entry;
    this.attempt = entry.nextAttempt;
    this.expiry = expiry;
  }

  /** Its name; never used before, not even by an earlier process. */
  get token(): string {
    return `${this.grant.name}.${this.place}`;
  }

  /** The number of this delivery of the event, from 1: the earlier ones ended without an answer. */
  get delivery(): number {
    return (this.entry.unanswered ?? 0) + 1;
  }

  /** True if its handler may have begun and has not answered. */
  get isOpen(): boolean {
    return this.begun === "soon" || this.begun === "now";
  }

  /** True while it is leased and no outcome is being committed. */
  get isHeld(): boolean {
    return this.entry.lease === this && !this.settling;
  }

  /** When it expires, Unix ms, as the consumer was told. */
  get expiresAt(): number {
    const { startedAt, startedMono } = this.grant;
    return Math.round(startedAt + (this.expiry.at - startedMono));
  }

  /** The event's wire line, with or without its line feed. */
  get line(): Uint8Array {
    return this.record?.line ?? this.entry.line!;
  }
}

/** The leases of one subscription that have not ended, by token. */
export class Leases {
  readonly #grants = new Map<string, Grant>();
  /** The grant looked up last: leases that are settled together mostly come from one grant. */
  #last: { prefix: string; grant: Grant } | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a lease that was just made. */
  add({ grant }: Lease): void {
    if (grant.live === 1) this.#grants.set(grant.name, grant);
    this.#size++;
  }

  get(token: string): Lease | undefined {
    if (this.#last === undefined || !token.startsWith(this.#last.prefix)) {
      const prefix = token.slice(0, token.lastIndexOf(".") + 1);
      const grant = this.#grants.get(prefix.slice(0, -1));
      if (grant === undefined) return undefined;
      this.#last = { prefix, grant };
    }
    const { prefix, grant } = this.#last;
    return grant.leases[placeIn(token, prefix.length)];
  }

  has(token: string): boolean {
    return this.get(token) !== undefined;
  }

  /** Removes a lease that has ended. */
  delete({ grant, place }: Lease): void {
    grant.leases[place] = undefined;
    this.#size--;
    if (--grant.live > 0) return;
    // The expiry heap may refer to the array until its time is over: free the empty places.
    grant.leases.length = 0;
    this.#grants.delete(grant.name);
    if (this.#last?.grant === grant) this.#last = undefined;
  }

  /** The one that was made first. */
  get oldest(): Lease | undefined {
    // A grant is there as long as one of its leases is.
    for (const { leases } of this.#grants.values()) return leases.find(Boolean);
    return undefined;
  }

  /** All leases, in the order in which they were made. */
  *values(): Generator<Lease, void, undefined> {
    for (const { leases } of this.#grants.values()) {
      for (const lease of leases) if (lease !== undefined) yield lease;
    }
  }
}

/**
 * The number in `token` from `from` on; -1 if there is none, or if it is not written the way we
 * write it.
 */
function placeIn(token: string, from: number): number {
  const digits = token.length - from;
  if (digits < 1 || digits > MOST_DIGITS) return -1;
  let place = 0;
  for (let at = from; at < token.length; at++) {
    const digit = token.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    place = place * 10 + digit;
  }
  return digits > 1 && token.charCodeAt(from) === ZERO ? -1 : place;
}

/** The leased event. */
export function eventOf({ record, entry }: Lease): Event {
  return record ? eventOfLine(decoder.decode(record.line)) : entry.toEvent();
}
