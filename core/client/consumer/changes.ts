/** Wakes whoever waits for something to change. */
import type { Clock } from "../../base/clock.ts";

/** Tells of changes, without saying which. */
export class Changes {
  readonly #clock: Clock;
  #next = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something has changed. */
  notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }

  /** Resolves at the next change. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  /** Resolves after `ms`, or at the next change. */
  async nextWithin(ms: number): Promise<void> {
    let cancel = () => {};
    const timer = new Promise<void>((resolve) => cancel = this.#clock.setTimer(resolve, ms));
    await Promise.race([timer, this.next()]);
    cancel();
  }
}
