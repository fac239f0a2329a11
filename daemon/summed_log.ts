/**
 * Combines repeated log lines: the first occurrence is logged at once, later ones as a sum every
 * ten seconds.
 */
import type { Clock } from "../core/base/clock.ts";

/** How long to add up counts, ms. */
const GATHER = 10_000;

/** The count of each kind. */
export type Counts = Record<string, number>;

/** Adds up counts, and logs the sums now and then. */
export class SummedLog {
  readonly #clock: Clock;
  readonly #tell: (counts: Counts) => void;
  #gathered: Counts | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: { clock: Clock; tell: (counts: Counts) => void }) {
    this.#clock = options.clock;
    this.#tell = options.tell;
  }

  /** Adds these counts. */
  add(counts: Counts): void {
    if (this.#cancel === undefined) {
      this.#tell(counts);
      this.#wait();
      return;
    }
    const sums = this.#gathered ??= {};
    for (const [kind, count] of Object.entries(counts)) sums[kind] = (sums[kind] ?? 0) + count;
  }

  /** Logs what has been added up, and stops its timer. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#gathered !== undefined) this.#tell(this.#gathered);
    this.#gathered = undefined;
  }

  #wait(): void {
    this.#cancel = this.#clock.setTimer(() => {
      const more = this.#gathered !== undefined;
      this.flush();
      if (more) this.#wait();
    }, GATHER);
  }
}
