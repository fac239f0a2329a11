/**
 * The store interfaces.
 *
 * {@link EventStore} is what a user must implement: three methods. {@link JournalStore} is what our
 * own stores implement: the store assigns sequence numbers, looks up repeated ids and checks
 * expectations inside one append, so that those decisions become durable together with the events.
 * Calling `append` with one batch at a time gives group commit (core/store/journal.ts).
 */
import type { PartSelection } from "../event/part.ts";
import type { TopicHead } from "../event/topic_head.ts";

export type { EventReader, TopicHead };
import type { Event, NewEvent, StoredEvent } from "../event/event.ts";
import type { EvsError } from "../base/errors.ts";
import type { Damage } from "./damage.ts";
import type { Durability } from "../event/durability.ts";
import type { Outbox } from "./outbox.ts";
import type { StoreRequest } from "./pack.ts";
import type { EventReader } from "./reader.ts";
import type { RedactedContent } from "../event/redaction.ts";

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
  /**
   * Newest first, for the stores of this package and a daemon's; a store of your own may ignore it.
   */
  reverse?: boolean;
}

/** An event store that an application may implement. */
export interface EventStore {
  /** Stores the event unchanged; durable when it resolves. */
  saveEvent(event: Event): Promise<void>;
  /** Oldest first, unless the query says otherwise. */
  // deno-lint-ignore no-explicit-any -- the promised interface: implementations may leave `options` untyped
  getEvents(topic: string, options?: any): Promise<Event[]>;
  /** Deletes events older than `beforeTimestamp` (Unix ms) and returns how many. */
  deleteEvents(topic: string, beforeTimestamp: number): Promise<number>;
}

/**
 * What a publisher expects: the last seq of the key (if one is given) or of the topic. For several
 * events it is checked once per key that they have, before anything is stored; a seq can then be
 * expected of one key only.
 */
export type Expected = number | "none" | "exists" | "any" | ExpectedKeySeq;

/** Expects that the key's last event has this {@link Event.keySeq}. */
export interface ExpectedKeySeq {
  /** 0: the topic has no event with the key. */
  keySeq: number;
}

/**
 * What the events of a request were checked by, where several nodes share the state: they are
 * checked again if somebody has changed it by the time they are stored (core/state/stale.ts).
 * @internal
 */
export interface CheckedUnder {
  /** The rev of the topic; -1: it was not there. */
  topic: number;
  /** The rev of the schemas. Absent: the events were accepted before, and are not checked again. */
  schemas?: number;
}

/**
 * Checks events again by what is so now; sets what they were checked {@link CheckedUnder}, and the
 * schema versions of events. Returns for each request what it is to be refused with, if it is.
 * @internal
 */
export type Recheck = (requests: readonly AppendRequest[]) => Promise<(EvsError | undefined)[]>;

/** Events for one topic that are stored together or not at all. */
export interface AppendRequest {
  /** The topic to append to. */
  topic: string;
  /** In order. */
  events: readonly NewEvent[];
  /**
   * Checked against the last seq of each key that the events have, and of the topic if some have
   * none.
   */
  expected?: Expected;
  /**
   * Absent: they are stored whatever has changed.
   * @internal
   */
  under?: CheckedUnder;
}

/** The outcome of one {@link AppendRequest}. */
export type AppendOutcome =
  | {
    ok: true;
    /** How many events were stored: those in the request minus the duplicates. */
    count: number;
    /** The first seq stored; 0 if nothing was. */
    firstSeq: number;
    /** The last seq stored; 0 if nothing was. */
    lastSeq: number;
    /**
     * Events that were already stored: their index in the request and their original seq. Ascending
     * by index.
     */
    duplicates: readonly { index: number; seq: number }[];
    /**
     * The number that each event of the request has within its key; 0 for one without a key, or one
     * that was stored before keys were numbered. Absent if none has a key, or the store does not
     * count.
     */
    keySeqs?: readonly number[];
  }
  | {
    /** The expectation fails, or cannot be judged: nothing of the request was stored. */
    ok: false;
    expected: Expected;
    /**
     * The last seq of the subject; of the topic if the subject is `ids` or `keys`. If a `keySeq`
     * was expected, that of the key's last event.
     */
    actual: number;
    /**
     * What did not meet the expectation: the topic or a key. `ids`: some of the events are already
     * stored and some are not. `keys`: a seq was expected of several keys.
     */
    subject: "topic" | "key" | "ids" | "keys";
    /** Which condition of an {@link AtomicGroup} failed; absent if the subject is `ids`. */
    condition?: number;
    /** Which key, if the events have several. */
    key?: string;
    /** The ids of the events that are already stored. */
    ids?: readonly string[];
    /**
     * The events were refused when they were checked again, by what somebody else has changed.
     * @internal
     */
    refused?: EvsError;
  };

/**
 * A page ends after this many bytes of payloads and metadata, whatever its limit: a reader costs
 * one page, not a thousand events of the maximum size (contract row 15). A page always makes
 * progress: its first event may be larger than this.
 */
export const PAGE_BYTES = 1024 * 1024;

/** Which page to read. */
export interface PageQuery {
  /** First seq, inclusive. */
  from: number;
  /** Last seq, inclusive. */
  to: number;
  /** Most events to look at (not: to return); fewer if they exceed {@link PAGE_BYTES}. */
  limit: number;
  /** Only these types. */
  types?: readonly string[];
  /** Events of other keys are not asked for; a store that can tell them cheaply leaves them out. */
  key?: string;
  /**
   * Only events of these parts. Absent for stores that do not say {@link JournalStore.dividesParts}.
   * @internal
   */
  parts?: PartSelection;
}

/** Which events of one key to read. */
export interface KeyQuery {
  /** The key. */
  key: string;
  /** First seq, inclusive. */
  from: number;
  /** Last seq, inclusive. */
  to: number;
  /** Most events to return; fewer if they exceed {@link PAGE_BYTES}. */
  limit: number;
}

/** A page of events. */
export interface Page {
  /** Oldest first. */
  events: StoredEvent[];
  /** Where to read on; greater than `to` at the end of the range. */
  next: number;
}

/** A page of wire lines, ready to be sent. */
export interface LinePage {
  /** The lines, each with its line feed. */
  bytes: Uint8Array;
  /** How many lines. */
  count: number;
  /** The seq of the last line; 0 if there is none. */
  lastSeq: number;
  /** Where to read on; greater than `to` at the end of the range. */
  next: number;
}

/** An event whose content is to be replaced, and by what. */
export interface RedactRequest extends RedactedContent {
  /** Its seq. */
  seq: number;
  /** Its id: an event with another one is left alone. */
  id: string;
}

/** What must hold for an {@link AtomicGroup} to be stored: the last seq of a topic or a key. */
export interface Condition {
  /** The topic. */
  topic: string;
  /** Compares with the last seq of this key instead of the topic's. */
  key?: string;
  /** What the last seq must be. */
  expected: Expected;
}

/** Requests of one append, in most cases for several topics, that are stored all or none. */
export interface AtomicGroup {
  /** The index of its first request. */
  from: number;
  /** The index after its last request. */
  to: number;
  /** All are checked before any of its events is stored. Its requests have no `expected`. */
  conditions: readonly Condition[];
}

/** How to do one append. */
export interface AppendOptions {
  /** Absent: the store's own. Honoured by stores whose `kind` is sqlite or file. */
  durability?: Durability;
  /**
   * Lets the next append start while this one is syncing: called at most once, when all of this
   * append is written and before it resolves. From then on only the sync can fail, and after that
   * the store accepts nothing more. The next append is stored after this one, and resolves after
   * it. A store that never calls it does one append at a time.
   */
  onWritten?: () => void;
  /**
   * Requests that are stored all or none, across a crash too; ascending. Only given to stores that
   * are {@link JournalStore.atomic}. If a condition of a group fails, each of its requests has the
   * same outcome.
   */
  groups?: readonly AtomicGroup[];
  /**
   * How to go on where requests were checked under what is not so any more. Absent: they are stored
   * whatever has changed.
   * @internal
   */
  recheck?: Recheck;
}

/** Events that another process has stored. */
export interface Appended {
  /** Their topic. */
  topic: string;
  /** The first one's seq. */
  firstSeq: number;
  /** The last one's seq. */
  lastSeq: number;
}

/** A store that assigns sequence numbers and reads by them. */
export interface JournalStore extends EventStore, EventReader {
  /**
   * Stores the requests in order, in one transaction with one sync, and resolves when all of it is
   * durable. A request whose expectation fails stores nothing and does not stop the others. Rejects
   * (and stores nothing at all) if the medium refuses: `CannotStoreError` if it may work later;
   * after any other error the store must not be trusted. A store that wants single events calls
   * {@link eventsOf} of core/store/pack.ts.
   */
  append(requests: readonly StoreRequest[], options?: AppendOptions): Promise<AppendOutcome[]>;
  /**
   * Calls `listener` when another process has stored events: they can be read, and `head` knows
   * them. Several may be told as one, late, and again with those that this process has stored.
   * Returns a function that removes the listener. Absent if no other process stores any.
   */
  onAppended?(listener: (appended: Appended) => void): () => void;
  /**
   * The lowest seq that may have been stored less than `age` ms ago, regardless of timestamps and
   * of clock changes meanwhile; `lastSeq + 1` if there is none. Undefined, or absent: the store
   * does not know, and retention uses timestamps.
   */
  seekAge?(topic: string, age: number): Promise<number | undefined>;
  /**
   * Deletes the events below `seq` permanently and returns how many. Their seqs are never reused.
   */
  truncate(topic: string, seq: number): Promise<number>;
  /**
   * Replaces the payload by `null`, and the metadata and the key by what the request says; all else
   * of the event stays. Resolves when that is durable and the old content is in none of the store's
   * files; false if the store has no event with that seq and id. Of one that was deleted, the files
   * may still have bytes: they are gone then, too. A crash leaves the event as it was
   * or redacted. Doing it again is harmless, and finishes what was interrupted. Rejects with
   * `CannotStoreError` if it may work later. Absent: the store cannot do it.
   */
  redact?(topic: string, request: RedactRequest): Promise<boolean>;
  /** True if {@link redact} works for this topic. Absent: true if there is a `redact`. */
  canRedact?(topic: string): boolean;
  /**
   * Tells the store that seqs up to `lastSeq` were assigned before, although it does not know them
   * because its files are missing or older. New events come after them. Absent if the store keeps
   * nothing that could be lost.
   */
  raise?(topic: string, lastSeq: number): Promise<void>;
  /** True if {@link raise} works for this topic. Absent: true if there is a `raise`. */
  keepsNumbers?(topic: string): boolean;
  /** Deletes a topic's events; its last seq stays known. */
  removeTopic(topic: string): Promise<void>;
  /**
   * The state has removed the events of a topic, in the transaction that removed the topic: the
   * store looks where the topic begins now, and deletes what is left of them in its own time.
   * @internal
   */
  removedElsewhere?(topic: string): Promise<void>;
  /**
   * True if neighbouring requests cost the store no more than one: then they are not merged into
   * one, and each can be refused by itself.
   * @internal
   */
  readonly mergesItself?: boolean;
  /**
   * True if it stores in another thread or process: then this one can work while it does.
   * @internal
   */
  readonly isElsewhere?: boolean;
  /** @internal True if a state in the same database may be shared with other processes. */
  readonly sharesState?: boolean;
  /**
   * Tells the store with false that its space reserve is about to be released for a deletion, and
   * with true that it may be kept again. Absent if the store needs no reserve.
   * @internal
   */
  keepRoom?(keeps: boolean): Promise<void>;
  /** The damage found so far, if the store keeps checksums. */
  damage?(): readonly Damage[];
  /** Accepts the damage: it no longer degrades the store's health. */
  acceptDamage?(): void | Promise<void>;
  /** @internal True if pages can be asked for by {@link PageQuery.parts}. */
  readonly dividesParts?: boolean;
  /**
   * True if events get a {@link Event.keySeq}, which can be expected. Absent: they get none.
   */
  readonly countsKeys?: boolean;
  /** True if {@link append} honours `groups`. Absent: events go to one topic at a time. */
  readonly atomic?: boolean;
  /**
   * Where transactions of the application write events. Absent: they cannot.
   * @internal
   */
  readonly outbox?: Outbox;
  /** True if an append that resolved survives a power cut. */
  readonly durable: boolean;
  /** The name of the store in a topic's options; absent if it is none of these. */
  readonly kind?: "sqlite" | "file" | "memory";
  /** Stores what is under way, then closes. */
  close(): Promise<void>;
}

/** True if the store can redact events of this topic. */
export function canRedact(store: JournalStore, topic: string): boolean {
  return store.canRedact?.(topic) ?? store.redact !== undefined;
}

/** True for a store that assigns sequence numbers. */
export function isJournalStore(store: EventStore): store is JournalStore {
  return typeof (store as Partial<JournalStore>).append === "function";
}
