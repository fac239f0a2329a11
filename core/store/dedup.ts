/**
 * Repeated ids. A publisher that got no answer sends the same id again; within the dedup window it
 * finds what was stored the first time, and nothing is stored twice. Only ids that a publisher gave
 * are looked up, in an index that belongs to the store.
 */
import type { NewEvent } from "../event/event.ts";

/** How long a given id is looked up when nobody says otherwise: 24 hours. */
export const DEFAULT_DEDUP_WINDOW_MS = 86_400_000;

/** For how long a given id is looked up. */
export interface DedupWindow {
  /** Milliseconds; default 24 h. */
  dedupWindow?: number;
}

/** A store's index of given ids. */
export interface GivenIds {
  /**
   * The seq that a given id got, within the dedup window. Must see what this very append stored.
   */
  seqOfGivenId(id: string): number | undefined;
}

/** The seq under which an event is stored already; undefined if it is new. */
export function seqOfRepeat(event: NewEvent, ids: GivenIds): number | undefined {
  return event.idGiven ? ids.seqOfGivenId(event.id) : undefined;
}
