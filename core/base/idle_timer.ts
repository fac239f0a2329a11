/** Detects when work has gone idle: calls back once when none has come for a while. */
import type { Clock } from "./clock.ts";

/** Idle after this long without work, ms. */
export const IDLE_MS = 10_000;

/**
 * Uses one timer, which runs only from the first piece of work until the idle callback. While idle
 * it costs nothing.
 */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #rested: () => void;
  #last = 0;
  #cancel: (() => void) | undefined;
  #stopped = false;

  /** `rested` is called once after each busy period, never twice without work in between. */
  constructor({ clock, rested }: { clock: Clock; rested: () => void }) {
    this.#clock = clock;
    this.#rested = rested;
  }

  /** Records a piece of work. */
  note(): void {
    this.#last = this.#clock.monotonic();
    if (!this.#cancel && !this.#stopped) this.#wait(IDLE_MS);
  }

  /** Stops calling back. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #wait(ms: number): void {
    this.#cancel = this.#clock.setTimer(() => {
      this.#cancel = undefined;
      // Work may come many thousands of times a second, so the timer is not reset for each piece.
      const left = Math.ceil(this.#last + IDLE_MS - this.#clock.monotonic());
      if (left > 0) this.#wait(left);
      else this.#rested();
    }, ms);
  }
}
