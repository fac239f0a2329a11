/**
 * What one run of somebody's rule over somebody's payload may cost, in steps that are counted and
 * not timed: the same input gives the same answer on any machine.
 */

/**
 * Instructions of a pattern's program times characters of the text that take as long as one step,
 * 20 to 50 ns.
 */
const PATTERN_WORK = 16;

/** The steps that are left of one run. */
export class Budget {
  readonly steps: number;
  #left: number;

  constructor(steps: number) {
    this.steps = steps;
    this.#left = steps;
  }

  /** A new run begins. */
  refill(steps: number = this.steps): void {
    this.#left = steps;
  }

  /** Takes so many steps; false when there are not as many. */
  spend(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }

  /** A pattern whose program has `size` instructions reads so many characters in linear time. */
  spendOnPattern(size: number, characters: number): boolean {
    return this.spend(Math.ceil(size * characters / PATTERN_WORK));
  }

  /** True where a run has cost more than it may: its result means nothing. */
  get isSpent(): boolean {
    return this.#left < 0;
  }
}
