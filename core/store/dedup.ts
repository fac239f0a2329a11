/**
 * Repeated ids. A publisher that got no answer sends the same id again; within the dedup window it
 * gets the result of the first time, and nothing is stored twice. Only ids given by publishers are
 * looked up, in an index that belongs to the store.
 */
import type { NewEvent } from "../event/event.ts";

/** The default dedup window: 24 hours. */
export const DEFAULT_DEDUP_WINDOW_MS = 86_400_000;

/** How long a given id is remembered. */
export interface DedupWindow {
  /** Milliseconds; default 24 h. */
  dedupWindow?: number;
}

/** A store's index of given ids. */
export interface GivenIds {
  /**
   * The seq of a given id within the dedup window. Must include what the current append has stored.
   */
  seqOfGivenId(id: string): number | undefined;
}

/** The seq of an event that is already stored; undefined if it is new. */
export function seqOfRepeat(event: NewEvent, ids: GivenIds): number | undefined {
  return event.idGiven ? ids.seqOfGivenId(event.id) : undefined;
}
