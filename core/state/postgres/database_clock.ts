/**
 * The time of the database, as well as this process knows it. What nodes write is compared with what
 * others read, a retry's due time for example, and one whose clock is an hour ahead would have all
 * others wait for it, or none.
 */
import { type Clock, setBackgroundTimer } from "../../base/clock.ts";

/** Differences up to this are left alone, ms: the time between two events does not change for them. */
const LEAST_STEP_MS = 250;

/** This process' clock, set by the database's. */
export class DatabaseClock implements Clock {
  readonly #base: Clock;
  #offset = 0;

  constructor(base: Clock) {
    this.#base = base;
  }

  now(): number {
    return this.#base.now() + this.#offset;
  }

  monotonic(): number {
    return this.#base.monotonic();
  }

  setTimer(callback: () => void, ms: number): () => void {
    return this.#base.setTimer(callback, ms);
  }

  setBackgroundTimer(callback: () => void, ms: number): () => void {
    return setBackgroundTimer(this.#base, callback, ms);
  }

  /** Asks the database for its time, `now`, among other things. */
  async measure<T extends { now: number }>(ask: () => Promise<T>): Promise<T> {
    const began = this.#base.monotonic();
    const answer = await ask();
    const half = (this.#base.monotonic() - began) / 2;
    // What is stored of it is whole milliseconds.
    const offset = Math.round(answer.now - (this.#base.now() - half));
    // It was measured to half the time that the answer took.
    if (Math.abs(offset - this.#offset) > LEAST_STEP_MS + half) this.#offset = offset;
    return answer;
  }
}
