/**
 * Decides how many deliveries are marked as begun at once. Before a handler runs, a mark records
 * that it begins. If handlers are fast, one mark covers the deliveries of the next few
 * milliseconds, so that it costs each next to nothing. If they are slow, each delivery gets its own
 * mark, which is then exact.
 */

/** The deliveries in one mark take about this long, ms. */
const AHEAD_MS = 5;
/** Most deliveries in one mark. */
const MOST = 256;

/** Decides how many deliveries are marked as begun ahead of their handlers. */
export class BeginAhead {
  #count = 1;
  #since: number | undefined;

  /**
   * How many deliveries to mark now, at `mono`, when all those of the last mark have begun. `busy`
   * tells whether handlers were working all the time, so that the time since that mark was stored
   * shows how long they take.
   */
  next(mono: number, { busy }: { busy: boolean }): number {
    const passed = this.#since === undefined || !busy ? Infinity : mono - this.#since;
    const fitting = Math.floor(AHEAD_MS / Math.max(passed / this.#count, 0.001));
    this.#count = Math.max(1, Math.min(fitting, 2 * this.#count, MOST));
    return this.#count;
  }

  /**
   * The mark is stored, at `mono`. How long that took says nothing of handlers: where the state is
   * on another machine, it takes longer than they do.
   */
  stored(mono: number): void {
    this.#since = mono;
  }
}
