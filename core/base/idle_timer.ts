/**
 * When work has come to rest: told of each piece of it, this calls back once when none came for a
 * while.
 */
import type { Clock } from "./clock.ts";

/** Without work for so long something is at rest, ms. */
export const IDLE_MS = 10_000;

/**
 * One timer, which runs only from the first piece of work to the rest after the last: who rests
 * does nothing at all.
 */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #rested: () => void;
  #last = 0;
  #cancel: (() => void) | undefined;
  #stopped = false;

  /** `rested` is called at the end of each time of work, never twice without work in between. */
  constructor({ clock, rested }: { clock: Clock; rested: () => void }) {
    this.#clock = clock;
    this.#rested = rested;
  }

  /** There is work. */
  note(): void {
    this.#last = this.#clock.monotonic();
    if (!this.#cancel && !this.#stopped) this.#wait(IDLE_MS);
  }

  /** Calls back no more. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #wait(ms: number): void {
    this.#cancel = this.#clock.setTimer(() => {
      this.#cancel = undefined;
      // The timer is not set again with each piece of work, of which there may be many thousands a
      // second.
      const left = Math.ceil(this.#last + IDLE_MS - this.#clock.monotonic());
      if (left > 0) this.#wait(left);
      else this.#rested();
    }, ms);
  }
}
