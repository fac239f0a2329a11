/**
 * Pauses that end by themselves. The end follows the wall clock, as a person meant it. So it is
 * checked at least once a minute, and clock corrections in between move it.
 */
import type { Clock } from "../base/clock.ts";

const LOOK_AGAIN_MS = 60_000;

/** Ends timed pauses. */
export class TimedPauses {
  readonly #clock: Clock;
  readonly #end: (subscription: string) => void;
  readonly #cancels = new Map<string, () => void>();

  /** `end` is called when the pause of a subscription is over. */
  constructor(clock: Clock, end: (subscription: string) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  /** Sets when the pause of a subscription ends, Unix ms; undefined: not by itself. */
  set(subscription: string, until: number | undefined): void {
    this.#cancels.get(subscription)?.();
    this.#cancels.delete(subscription);
    if (until === undefined) return;
    const left = until - this.#clock.now();
    const wait = Math.max(0, Math.min(left, LOOK_AGAIN_MS));
    this.#cancels.set(
      subscription,
      this.#clock.setTimer(() => {
        this.#cancels.delete(subscription);
        if (this.#clock.now() < until) this.set(subscription, until);
        else this.#end(subscription);
      }, wait),
    );
  }

  /** Cancels all timers. */
  close(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
