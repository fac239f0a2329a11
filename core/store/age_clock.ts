/**
 * The clock by which events age: the wall clock without its steps. Marks that were made with it
 * never have to be moved; what is kept is by how much it differs from the wall clock.
 */
import type { Clock } from "../base/clock.ts";

/**
 * A wall clock that is kept in step drifts by less than this, ms and a share of the time that
 * passes.
 */
const [STEP_MS, DRIFT] = [1000, 0.001];

/** What an {@link AgeClock} goes on from. */
export interface AgeClockStart {
  /** What was kept, ms; 0 at first. */
  skew: number;
  /** The latest time that it told before, Unix ms; 0 when there was none. */
  newest: number;
  /** Keeps a skew. */
  save(skew: number): void;
}

/** Tells how long ago events were stored. */
export class AgeClock {
  readonly #clock: Clock;
  readonly #save: (skew: number) => void;
  #skew: number;
  #wall: number;
  #mono: number;

  constructor(clock: Clock, { skew, newest, save }: AgeClockStart) {
    this.#clock = clock;
    this.#save = save;
    this.#wall = clock.now();
    this.#mono = clock.monotonic();
    // Put back while nobody looked: the time away counts as none.
    const behind = Math.max(0, newest - (this.#wall + skew));
    this.#skew = skew + behind;
    if (behind > 0) save(this.#skew);
  }

  /** Unix ms, as the clock would show without its steps. */
  now(): number {
    const wall = this.#clock.now();
    const mono = this.#clock.monotonic();
    const passed = mono - this.#mono;
    const step = Math.round(wall - this.#wall - passed);
    this.#wall = wall;
    this.#mono = mono;
    if (Math.abs(step) > STEP_MS + passed * DRIFT) {
      this.#skew -= step;
      this.#save(this.#skew);
    }
    return wall + this.#skew;
  }
}
