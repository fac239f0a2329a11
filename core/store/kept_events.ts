/**
 * All that a store has of its events, for a backup that goes to another kind of store: what readers
 * never ask for, such as when an event was stored and whether its publisher gave its id.
 */
import type { StoredEvent } from "../event/event.ts";

/** A topic; one without events is remembered for its last seq. */
export interface KeptTopic {
  name: string;
  firstSeq: number;
  lastSeq: number;
}

/** One event. */
export interface KeptEvent {
  event: StoredEvent;
  /** True if its publisher gave the id, which is then known for the dedup window. */
  given: boolean;
  /** Unix ms; never lower than that of the event before it. */
  storedAt: number;
}

/** A given id whose event was deleted. */
export interface KeptId {
  id: string;
  seq: number;
  /** Unix ms. */
  storedAt: number;
}

/** The events of a store that nobody else uses. */
export interface KeptEvents {
  topics(): KeptTopic[];
  /** Its events in pages of about a megabyte, oldest first, without those that are damaged. */
  pages(topic: string): Iterable<KeptEvent[]>;
  /** Given ids of deleted events, as far as the store can tell them. */
  ids(topic: string): Iterable<KeptId>;
  /** The number of the last event of a key that the topic has; see {@link StoredEvent.keySeq}. */
  lastOfKey(topic: string, key: string): number;
  /** True if numbers of keys in this topic may be higher than those that its events tell. */
  countsApart(topic: string): boolean;
  close(): void | Promise<void>;
}
