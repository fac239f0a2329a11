/**
 * Whether the daemon has room to write down what became of events: a full disk is no reason to end.
 */
import { isFull } from "./port.ts";

/** Between two attempts to settle while there is none, ms. */
export const DISK_FULL_RETRY_MS = 500;

/**
 * What a consumer knows of the daemon's disk. While it is full nothing more is begun, and what is
 * judged is kept in hand.
 */
export class DiskFullRetry {
  readonly #say: (text: string) => void;
  #full = false;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** The last settlement found no room. */
  get full(): boolean {
    return this.#full;
  }

  /** Notes why a settlement failed; false when it was not for want of room. */
  lacks(error: unknown): boolean {
    if (!isFull(error)) return false;
    if (!this.#full) {
      this.#say("the daemon's disk is full; what was done is settled when there is room");
    }
    return this.#full = true;
  }

  /** Notes that a settlement was written down; true when there was no room before. */
  found(): boolean {
    if (!this.#full) return false;
    this.#say("the daemon's disk has room again; going on");
    this.#full = false;
    return true;
  }
}
