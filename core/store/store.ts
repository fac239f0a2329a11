/**
 * What a store of events is.
 *
 * {@link EventStore} is what a user must write: three methods. {@link JournalStore} is what our own
 * stores are: the store assigns sequence numbers, looks up repeated ids and checks expectations
 * inside one append, so that those decisions and the events are durable together. Who calls
 * `append` one batch at a time gets group commit (core/store/journal.ts).
 */
import type { TopicHead } from "../event/topic_head.ts";

export type { EventReader, TopicHead };
import type { Event, NewEvent, StoredEvent } from "../event/event.ts";
import type { Damage } from "./damage.ts";
import type { Durability } from "../event/durability.ts";
import type { StoreRequest } from "./pack.ts";
import type { EventReader } from "./reader.ts";

/** Which events `getEvents` returns. */
export interface EventQuery {
  /** Unix ms, inclusive. */
  fromTimestamp?: number;
  /** Unix ms, inclusive. */
  toTimestamp?: number;
  /** Only these types; empty means all. */
  eventTypes?: string[];
  /** At most this many; 0 or absent means all. */
  limit?: number;
}

/** A store of events, as an application may write its own. */
export interface EventStore {
  /** Keeps the event as it is now; durable when it resolves. */
  saveEvent(event: Event): Promise<void>;
  /** Oldest first. */
  // deno-lint-ignore no-explicit-any -- the promised interface: implementations may leave `options` untyped
  getEvents(topic: string, options?: any): Promise<Event[]>;
  /** Removes events older than `beforeTimestamp` (Unix ms) and tells how many. */
  deleteEvents(topic: string, beforeTimestamp: number): Promise<number>;
}

/**
 * What a publisher expects of the present: the last seq of the key (if one is given) or of the
 * topic. Of several events it is expected of each key that they have, once, before anything is
 * stored; a seq then goes with one key only.
 */
export type Expected = number | "none" | "exists" | "any";

/** Events for one topic that are stored together or not at all. */
export interface AppendRequest {
  /** Where they go. */
  topic: string;
  /** In order. */
  events: readonly NewEvent[];
  /**
   * Checked against the last seq of each key that the events have, and of the topic where some have
   * none.
   */
  expected?: Expected;
}

/** What became of one {@link AppendRequest}. */
export type AppendOutcome =
  | {
    ok: true;
    /** How many events were stored: those given less the duplicates. */
    count: number;
    /** The first seq stored; 0 when nothing was. */
    firstSeq: number;
    /** The last seq stored; 0 when nothing was. */
    lastSeq: number;
    /**
     * Events that were there already: their index in the request and the seq they first got.
     * Ascending by index.
     */
    duplicates: readonly { index: number; seq: number }[];
  }
  | {
    /** The expectation fails, or cannot be judged: nothing of the request was stored. */
    ok: false;
    expected: Expected;
    /** The last seq of the subject; of the topic where that is `ids` or `keys`. */
    actual: number;
    /**
     * Whose last seq is another: the topic's, or a key's. `ids`: some of the events are there
     * already and some are not. `keys`: a seq was expected of several keys.
     */
    subject: "topic" | "key" | "ids" | "keys";
    /** Which key, where the events have several. */
    key?: string;
    /** Of the events that are there already. */
    ids?: readonly string[];
  };

/**
 * Bytes of payloads and metadata at which a page ends, whatever its limit: a reader costs a page,
 * not a thousand events of the greatest size (contract row 15). A page always makes progress: its
 * first event may be larger than this.
 */
export const PAGE_BYTES = 1024 * 1024;

/** Which page to read. */
export interface PageQuery {
  /** First seq, inclusive. */
  from: number;
  /** Last seq, inclusive. */
  to: number;
  /**
   * At most this many events are looked at (not: returned); fewer where they come to more than
   * {@link PAGE_BYTES}.
   */
  limit: number;
  /** Only these types. */
  types?: readonly string[];
}

/** Which events of one key to read. */
export interface KeyQuery {
  /** Whose events. */
  key: string;
  /** First seq, inclusive. */
  from: number;
  /** Last seq, inclusive. */
  to: number;
  /**
   * At most this many events are returned; fewer where they come to more than {@link PAGE_BYTES}.
   */
  limit: number;
}

/** A page of events. */
export interface Page {
  /** Oldest first. */
  events: StoredEvent[];
  /** Read on from here; greater than `to` when the range is done. */
  next: number;
}

/** A page of wire lines, ready to be sent. */
export interface LinePage {
  /** The lines, each with its line feed. */
  bytes: Uint8Array;
  /** How many lines. */
  count: number;
  /** The seq of the last line; 0 when there is none. */
  lastSeq: number;
  /** Read on from here; greater than `to` when the range is done. */
  next: number;
}

/** How one append is done. */
export interface AppendOptions {
  /** Absent: as the store was opened. A store whose `kind` is sqlite or file honours it. */
  durability?: Durability;
  /**
   * Asks that the next append may come while this one is synced: called, at most once and before
   * the append resolves, when all of it is written. From then on only the sync can fail, and after
   * that the store takes nothing any more; what is appended next is stored behind this, and
   * resolves after it. A store that never calls it takes one append at a time.
   */
  onWritten?: () => void;
}

/** A store that assigns sequence numbers and reads by them. */
export interface JournalStore extends EventStore, EventReader {
  /**
   * Stores the requests in order, in one transaction with one sync, and resolves when all of it is
   * durable. A request whose expectation fails stores nothing and does not stop the others. Rejects
   * (and stores nothing at all) when the medium refuses: `CannotStoreError` when it may work later,
   * any other error when it must not be trusted. A store that wants events one by one asks {@link
   * eventsOf} of core/store/pack.ts.
   */
  append(requests: readonly StoreRequest[], options?: AppendOptions): Promise<AppendOutcome[]>;
  /**
   * The lowest seq that may have been stored less than `age` ms ago, whatever its timestamp says
   * and however the clock was set meanwhile; `lastSeq + 1` if there is none. Undefined, or absent:
   * the store does not know, and retention goes by timestamps.
   */
  seekAge?(topic: string, age: number): Promise<number | undefined>;
  /**
   * Removes the events below `seq` for good and tells how many. The numbers are never used again.
   */
  truncate(topic: string, seq: number): Promise<number>;
  /**
   * Numbers up to `lastSeq` were given before, though the store knows nothing of it: its files are
   * gone or older. What is appended next goes behind them. Absent where nothing is kept that could
   * be lost.
   */
  raise?(topic: string, lastSeq: number): Promise<void>;
  /** True where {@link raise} keeps the numbers of this topic. Absent: where there is a `raise`. */
  keepsNumbers?(topic: string): boolean;
  /** Removes a topic's events; its last seq stays known. */
  removeTopic(topic: string): Promise<void>;
  /** What was found damaged so far, where the store keeps checksums. */
  damage?(): readonly Damage[];
  /** Somebody took note of it: it no longer degrades the store's health. */
  acceptDamage?(): void | Promise<void>;
  /** True when an append that resolved survives a power cut. */
  readonly durable: boolean;
  /** What a topic's `store` is called; absent where it is none of these. */
  readonly kind?: "sqlite" | "file" | "memory";
  /** Stores what is under way, and closes. */
  close(): Promise<void>;
}

/** True for a store that has sequence numbers. */
export function isJournalStore(store: EventStore): store is JournalStore {
  return typeof (store as Partial<JournalStore>).append === "function";
}
