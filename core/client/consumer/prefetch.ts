/**
 * Decides how many events a consumer leases ahead of its handlers. If handlers are fast, enough to
 * keep them busy for a moment, so that none waits for the daemon. If they are slow, none, so that
 * other consumers of the subscription can have them.
 */

/** The leased reserve lasts about this long, ms. */
const AHEAD_MS = 50;
/** The weight of the latest run in the mean. */
const WEIGHT = 1 / 8;
/** Most events to lease ahead, unless one handler call takes more: as many as one mark covers. */
const MOST = 256;

/** Decides how many events to lease ahead. */
export class Prefetch {
  readonly #room: number;
  #meanMs = Infinity;

  readonly #most: number;

  /** `room`: the number of events that can be handled at the same time. */
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

  /** How many events to hold in reserve. */
  get size(): number {
    const lasting = Math.floor(AHEAD_MS / Math.max(this.#meanMs, 0.01) * this.#room);
    return Math.min(lasting, this.#most);
  }

  /**
   * How many to request in addition to those that can start at once; several together, to save
   * requests.
   */
  wanted(waiting: number): number {
    const { size } = this;
    return waiting > size / 2 ? 0 : size - waiting;
  }
}
