/** What reads the events of topics: a store, or the part of one that its reads go to. */
import type { StoredEvent } from "../event/event.ts";
import type { TopicHead } from "../event/topic_head.ts";
import type { KeyQuery, LinePage, Page, PageQuery } from "./store.ts";

/**
 * Reads events by their sequence numbers, and finds where to begin. Nothing is held open between
 * two calls.
 */
export interface EventReader {
  /** Where a topic begins and ends. An unknown topic: `{firstSeq: 1, lastSeq: 0, bytes: 0}`. */
  head(topic: string): TopicHead;
  /** The names of topics that have or had events. */
  topics(): string[];
  /** Reads a page without holding anything open. */
  readPage(topic: string, query: PageQuery): Page;
  /** The same as bytes; faster where no one needs the events themselves. */
  readLines(topic: string, query: PageQuery): LinePage;
  /**
   * True where a topic's events are stored as wire lines: then {@link readLines} costs less than
   * {@link readPage}.
   */
  keepsLines?(topic: string): boolean;
  /**
   * A page of one key's events, oldest first, where the store has an index for it; `readKey` of
   * by_key.ts serves all.
   */
  readKey?(topic: string, query: KeyQuery): Page;
  /** The event with this id, if it is there. */
  find(topic: string, id: string): StoredEvent | undefined;
  /**
   * The lowest seq whose timestamp is at or after `timestamp`, and not after `latest`; `lastSeq +
   * 1` if there is none. Absent, `latest` is no limit.
   */
  seekTime(topic: string, timestamp: number, latest?: number): number;
  /** The lowest seq to keep so that at most `maxBytes` remain; for retention. */
  seekBytes(topic: string, maxBytes: number): number;
}
