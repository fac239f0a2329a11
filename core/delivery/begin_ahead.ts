/**
 * How many deliveries are marked as begun at once. Before a handler runs, that it begins is written
 * down; where handlers take a moment, the mark is made for those of the next moment together, so
 * that it costs each of them next to nothing. Where handlers take longer, each has a mark of its
 * own, and it is exact.
 */

/** What is marked at once lasts about this long, ms. */
const AHEAD_MS = 5;
/** The most that is marked at once. */
const MOST = 256;

/** Decides how many deliveries are marked as begun ahead of their handlers. */
export class BeginAhead {
  #count = 1;
  #since: number | undefined;

  /**
   * The next mark is made at `mono`, when all those of the last have begun: for how many. `busy`:
   * whether handlers were at work all the time, so that what has passed tells how long they take.
   */
  next(mono: number, { busy }: { busy: boolean }): number {
    const passed = this.#since === undefined || !busy ? Infinity : mono - this.#since;
    this.#since = mono;
    const fitting = Math.floor(AHEAD_MS / Math.max(passed / this.#count, 0.001));
    this.#count = Math.max(1, Math.min(fitting, 2 * this.#count, MOST));
    return this.#count;
  }
}
