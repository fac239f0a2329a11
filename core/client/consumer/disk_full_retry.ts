/** Tracks whether the daemon can store outcomes: a full disk is no reason to end. */
import { isFull } from "./port.ts";

/** Time between two attempts to settle while the disk is full, ms. */
export const DISK_FULL_RETRY_MS = 500;

/**
 * What a consumer knows of the daemon's disk. While it is full, nothing more is started, and
 * finished works stay in flight.
 */
export class DiskFullRetry {
  readonly #say: (text: string) => void;
  #full = false;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** True if the last settlement failed because the disk is full. */
  get full(): boolean {
    return this.#full;
  }

  /** Notes why a settlement failed; false if the disk was not the reason. */
  lacks(error: unknown): boolean {
    if (!isFull(error)) return false;
    if (!this.#full) {
      this.#say("the daemon's disk is full; what was done is settled when there is room");
    }
    return this.#full = true;
  }

  /** Notes that a settlement was stored; true if the disk was full before. */
  found(): boolean {
    if (!this.#full) return false;
    this.#say("the daemon's disk has room again; going on");
    this.#full = false;
    return true;
  }
}
