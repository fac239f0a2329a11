/**
 * The clock that event ages are measured by: the wall clock without its steps. Its times never have
 * to be adjusted later; what is stored is its difference from the wall clock.
 */
import type { Clock } from "../base/clock.ts";

/** A synchronized wall clock drifts by less than this: ms, plus a share of the elapsed time. */
const [STEP_MS, DRIFT] = [1000, 0.001];

/** The starting point of an {@link AgeClock}. */
export interface AgeClockStart {
  /** The stored skew, ms; 0 at first. */
  skew: number;
  /** The latest time it returned before, Unix ms; 0 if there is none. */
  newest: number;
  /** Stores a skew; false if there is no room for it now: it is tried again at the next look. */
  save(skew: number): boolean;
}

/** Measures how long ago events were stored. */
export class AgeClock {
  readonly #clock: Clock;
  readonly #save: (skew: number) => boolean;
  #skew: number;
  #isSaved: boolean;
  #wall: number;
  #mono: number;

  constructor(clock: Clock, { skew, newest, save }: AgeClockStart) {
    this.#clock = clock;
    this.#save = save;
    this.#wall = clock.now();
    this.#mono = clock.monotonic();
    // The clock was set back while we were not running: count the time in between as zero.
    const behind = Math.max(0, newest - (this.#wall + skew));
    this.#skew = skew + behind;
    this.#isSaved = behind === 0 || save(this.#skew);
  }

  /** Unix ms, as the wall clock would show without its steps. */
  now(): number {
    const wall = this.#clock.now();
    const mono = this.#clock.monotonic();
    const passed = mono - this.#mono;
    const step = Math.round(wall - this.#wall - passed);
    this.#wall = wall;
    this.#mono = mono;
    if (Math.abs(step) > STEP_MS + passed * DRIFT) {
      this.#skew -= step;
      this.#isSaved = false;
    }
    if (!this.#isSaved) this.#isSaved = this.#save(this.#skew);
    return wall + this.#skew;
  }
}
