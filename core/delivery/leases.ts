/**
 * What is in the hands of consumers. Events are handed out by the answer: a {@link Grant} is what
 * the leases of one answer have in common, and holds them by their place in it. A token names both,
 * `GRANT.PLACE`, so that a thousand leases need no text, no place in a map and no time of their own
 * until somebody asks.
 */
import type { RetryRecord } from "../state/state.ts";
import type { ProcessLoad } from "./process_load.ts";
import type { Entry } from "./entry.ts";

const ZERO = 0x30;
/** More than any answer has. */
const MOST_DIGITS = 6;

/** Who was given some events, and when. */
export class Grant {
  /** Never used before. */
  readonly name: string;
  readonly consumer: string;
  /** Names one run of the consumer's process, whatever connection it has. */
  readonly instance: string;
  /** What that process has in hand. */
  readonly load: ProcessLoad | undefined;
  /** Given back when the consumer goes. */
  readonly bound: boolean;
  readonly startedAt: number;
  readonly startedMono: number;
  /** How long its leases were asked for, ms; Infinity: they do not end. */
  readonly leaseMs: number;
  /** By place; what has ended is gone. */
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
}

/**
 * When leases end, by the clock that timers run by, ms; Infinity: never. Shared by those that were
 * made or extended together.
 */
export interface Expiry {
  at: number;
}

/** An event in the hands of a consumer. */
export class Lease {
  readonly grant: Grant;
  readonly place: number;
  readonly entry: Entry;
  readonly attempt: number;
  expiry: Expiry;
  /** Its outcome is on its way to disk: nobody else may settle it. */
  settling = false;
  /**
   * Its handler has begun, or will soon, together with others; or it has ended, and its answer is
   * on its way.
   */
  begun: "soon" | "now" | "answered" | undefined = undefined;
  /** The row of a retry, as it was read for this lease. */
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

  /** Names it; never used before, not in an earlier process either. */
  get token(): string {
    return `${this.grant.name}.${this.place}`;
  }

  /** Which delivery of the event it is, from 1: those before ended without an answer. */
  get delivery(): number {
    return (this.entry.unanswered ?? 0) + 1;
  }

  /** True when its handler may have begun, and has not answered. */
  get isOpen(): boolean {
    return this.begun === "soon" || this.begun === "now";
  }

  /** True while somebody has it and no outcome is on its way to disk. */
  get isHeld(): boolean {
    return this.entry.lease === this && !this.settling;
  }

  /** When it ends, Unix ms, as was told when it was made. */
  get expiresAt(): number {
    const { startedAt, startedMono } = this.grant;
    return Math.round(startedAt + (this.expiry.at - startedMono));
  }

  /** The event as its wire line, with or without its line feed. */
  get line(): Uint8Array {
    return this.record?.line ?? this.entry.line!;
  }
}

/** The leases of one subscription that have not ended, by token. */
export class Leases {
  readonly #grants = new Map<string, Grant>();
  /** The grant that was asked for last: what is settled together was mostly handed out together. */
  #last: { prefix: string; grant: Grant } | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes in a lease that was just made. */
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

  /** The lease has ended. */
  delete({ grant, place }: Lease): void {
    grant.leases[place] = undefined;
    this.#size--;
    if (--grant.live > 0) return;
    // Whoever still looks after it, until its time is over, holds no row of empty places.
    grant.leases.length = 0;
    this.#grants.delete(grant.name);
    if (this.#last?.grant === grant) this.#last = undefined;
  }

  /** All of them, in the order in which they were handed out. */
  *values(): Generator<Lease, void, undefined> {
    for (const { leases } of this.#grants.values()) {
      for (const lease of leases) if (lease !== undefined) yield lease;
    }
  }
}

/**
 * The number that begins at `from`; -1 where none does, or it is written in another way than we
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
