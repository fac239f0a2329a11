/**
 * How many events a consumer leases ahead of its handlers. Where handlers take a moment, as many as
 * keep them busy for the next moment, so that none waits for the daemon; where they take long,
 * none, so that others who share the subscription are not kept from them.
 */

/** What is leased ahead lasts about this long, ms. */
const AHEAD_MS = 50;
/** How much of the mean the last run makes. */
const WEIGHT = 1 / 8;
/** The most that is leased ahead, where one handler is not given more. */
const MOST = 64;

/** Decides how many events to lease ahead. */
export class Prefetch {
  readonly #room: number;
  #meanMs = Infinity;

  readonly #most: number;

  /** `room`: the events that can be at work at the same time. */
  constructor(room: number, most = Math.max(MOST, room)) {
    this.#room = room;
    this.#most = most;
  }

  /** A run has ended. */
  note(durationMs: number): void {
    this.#meanMs = this.#meanMs === Infinity
      ? durationMs
      : this.#meanMs + (durationMs - this.#meanMs) * WEIGHT;
  }

  /** How many are to be in reserve. */
  get size(): number {
    const lasting = Math.floor(AHEAD_MS / Math.max(this.#meanMs, 0.01) * this.#room);
    return Math.min(lasting, this.#most);
  }

  /**
   * How many to ask for beside those that can begin at once; several together, so that not each
   * costs a request.
   */
  wanted(waiting: number): number {
    const { size } = this;
    return waiting > size / 2 ? 0 : size - waiting;
  }
}
