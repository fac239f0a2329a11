/**
 * The number that an event has among those of its key: 1 for the first, and so on. The store finds
 * the last one of a key; those of an append continue from there.
 */
import type { NewEvent } from "../event/event.ts";

/** What a store that numbers the events of keys knows during an append. */
export interface KeyCounts {
  /**
   * The number of the last event with this key, also if redaction took the key from that one; 0 if
   * the topic has no event with it.
   */
  keySeqOfKey(key: string): number;
  /** The number of a stored event; 0 if it has none. */
  keySeqAt(seq: number): number;
  /**
   * The topic's first seq. What was deleted had lower numbers, so it is the first number of a key
   * of which nothing is left: it may have had some.
   */
  firstSeq: number;
}

/** Numbers the events of one request, in order. */
export class KeyNumbers {
  /** The last number of each key that the request has so far. */
  readonly last = new Map<string, number>();
  readonly #counts: KeyCounts;

  constructor(counts: KeyCounts) {
    this.#counts = counts;
  }

  /** The number of the next event of a key. */
  next(key: string): number {
    const counts = this.#counts;
    const last = this.last.get(key) ?? (counts.keySeqOfKey(key) || counts.firstSeq - 1);
    const number = last + 1;
    this.last.set(key, number);
    return number;
  }

  /** The event with its number; unchanged if it has no key. */
  numbered(event: NewEvent): NewEvent {
    return event.key === undefined ? event : { ...event, keySeq: this.next(event.key) };
  }

  /** The numbers of a column of keys: 0 where there is none. */
  column(keys: string | readonly (string | undefined)[], count: number): number[] {
    if (typeof keys !== "string") {
      return Array.from(keys, (key) => key === undefined ? 0 : this.next(key));
    }
    const first = this.next(keys);
    this.last.set(keys, first + count - 1);
    return Array.from({ length: count }, (_, i) => first + i);
  }
}
