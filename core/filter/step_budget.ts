/**
 * Limits what one run of a user's rule over a user's payload may cost. It counts steps rather than
 * time, so the same input gives the same answer on any machine.
 */

/**
 * Instructions of a compiled pattern times characters of text that take as long as one step, 20 to
 * 50 ns.
 */
const PATTERN_WORK = 16;

/** The steps left in one run. */
export class Budget {
  readonly steps: number;
  #left: number;

  constructor(steps: number) {
    this.steps = steps;
    this.#left = steps;
  }

  /** Starts a new run. */
  refill(steps: number = this.steps): void {
    this.#left = steps;
  }

  /** Spends this many steps; false if there are not enough left. */
  spend(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }

  /** Charges for matching `characters` in linear time with a pattern of `size` instructions. */
  spendOnPattern(size: number, characters: number): boolean {
    return this.spend(Math.ceil(size * characters / PATTERN_WORK));
  }

  /** True once a run has exceeded its budget; its result is then meaningless. */
  get isSpent(): boolean {
    return this.#left < 0;
  }
}
