/**
 * One line of the log for what happens many times: the first time at once, then what came together
 * in ten seconds.
 */
import type { Clock } from "../core/base/clock.ts";

/** For so long what comes is gathered, ms. */
const GATHER = 10_000;

/** So many of each kind. */
export type Counts = Record<string, number>;

/** Sums up counts, and tells of them now and then. */
export class SummedLog {
  readonly #clock: Clock;
  readonly #tell: (counts: Counts) => void;
  #gathered: Counts | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: { clock: Clock; tell: (counts: Counts) => void }) {
    this.#clock = options.clock;
    this.#tell = options.tell;
  }

  /** Counts these, too. */
  add(counts: Counts): void {
    if (this.#cancel === undefined) {
      this.#tell(counts);
      this.#wait();
      return;
    }
    const sums = this.#gathered ??= {};
    for (const [kind, count] of Object.entries(counts)) sums[kind] = (sums[kind] ?? 0) + count;
  }

  /** Tells what was gathered, and stops its timer. */
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
