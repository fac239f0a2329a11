/** The interface for reading events of topics: a store, or the part of one that serves reads. */
import type { MaybePromise } from "../base/maybe_promise.ts";
import type { StoredEvent } from "../event/event.ts";
import type { TopicHead } from "../event/topic_head.ts";
import type { KeyQuery, LinePage, Page, PageQuery } from "./store.ts";

/**
 * Reads events by sequence number, and finds where to begin. Nothing stays open between two calls.
 *
 * A store in this process returns what it reads, one elsewhere promises it. When a page has come,
 * {@link head} knows what was deleted before it was read: readers tell by that what they have missed
 * from what was never there.
 */
export interface EventReader {
  /**
   * Where a topic begins and ends, as far as this process knows; see {@link refresh}. For an unknown
   * topic: `{firstSeq: 1, lastSeq: 0, bytes: 0}`.
   */
  head(topic: string): TopicHead;
  /** The names of topics that have or had events, as far as this process knows. */
  topics(): string[];
  /**
   * Brings {@link head} and {@link topics} up to date with what others have stored and deleted until
   * now: of these topics, or of all. Absent if they always are.
   */
  refresh?(topics?: readonly string[]): Promise<void>;
  /** Reads a page of events. */
  readPage(topic: string, query: PageQuery): MaybePromise<Page>;
  /** The same page as wire lines; faster if the events themselves are not needed. */
  readLines(topic: string, query: PageQuery): MaybePromise<LinePage>;
  /**
   * True if a topic's events are stored as wire lines: then {@link readLines} costs less than
   * {@link readPage}.
   */
  keepsLines?(topic: string): boolean;
  /**
   * A page of one key's events, oldest first, if the store has an index for that; `readKey` of
   * by_key.ts works for all stores.
   */
  readKey?(topic: string, query: KeyQuery): MaybePromise<Page>;
  /**
   * The seq of the newest event of a key, 0 if there is none; undefined, or absent, if the store
   * has no index for that.
   */
  lastSeqOfKey?(topic: string, key: string): MaybePromise<number | undefined>;
  /** The newest event with this id, if there is one. */
  find(topic: string, id: string): MaybePromise<StoredEvent | undefined>;
  /**
   * The lowest seq whose timestamp is at or after `timestamp` and not after `latest` (default: no
   * limit); `lastSeq + 1` if there is none.
   */
  seekTime(topic: string, timestamp: number, latest?: number): MaybePromise<number>;
  /** The lowest seq to keep so that at most `maxBytes` remain; for retention. */
  seekBytes(topic: string, maxBytes: number): MaybePromise<number>;
}

/** A reader that answers at once: that of a store in this process. */
export interface SyncEventReader extends EventReader {
  readPage(topic: string, query: PageQuery): Page;
  readLines(topic: string, query: PageQuery): LinePage;
  readKey?(topic: string, query: KeyQuery): Page;
  lastSeqOfKey?(topic: string, key: string): number | undefined;
  find(topic: string, id: string): StoredEvent | undefined;
  seekTime(topic: string, timestamp: number, latest?: number): number;
  seekBytes(topic: string, maxBytes: number): number;
}
