/**
 * Stores what was skipped or missed, some time after it was: nobody waits for that, and more may
 * come that is stored with it.
 */
import type { Clock } from "../base/clock.ts";

/** How long skipped events may wait to be stored, ms. */
const FLUSH_MS = 1000;

/** Flushes later, again and again until it has succeeded. */
export class FlushTimer {
  readonly #clock: Clock;
  readonly #on: { isDue(): boolean; flush(): Promise<void>; failed(error: unknown): void };
  #cancel: (() => void) | undefined;
  #ended = false;

  /** `isDue`: there is something to store. `failed` gets the error of a flush that is tried again. */
  constructor(
    clock: Clock,
    on: { isDue(): boolean; flush(): Promise<void>; failed(error: unknown): void },
  ) {
    this.#clock = clock;
    this.#on = on;
  }

  /** Something may be there to be stored. */
  soon(): void {
    if (this.#cancel || this.#ended || !this.#on.isDue()) return;
    this.#cancel = this.#clock.setTimer(() => {
      this.#cancel = undefined;
      this.#on.flush().catch((error) => {
        if (this.#ended) return;
        this.#on.failed(error);
        this.soon();
      });
    }, FLUSH_MS);
  }

  /** Stores nothing any more. */
  end(): void {
    this.#ended = true;
    this.#cancel?.();
  }
}
