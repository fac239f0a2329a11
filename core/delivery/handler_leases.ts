/** Leases for a handler of this process, for as long as its subscription lives. */
import type { Clock } from "../base/clock.ts";
import { EvsError, OverflowError } from "../base/errors.ts";
import { type Missed, missedText } from "../reading/missed.ts";
import { AGAIN_MS } from "./committer.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { Lease } from "./leases.ts";
import type { ProcessLoad } from "./process_load.ts";

/** Bytes of events leased at once. */
const BATCH_BYTES = 4 * 1024 * 1024;

/** Who leases, and until when. */
export interface HandlerLeasesOptions {
  clock: Clock;
  consumer: string;
  instance: string;
  load?: ProcessLoad | undefined;
  /** Ends the wait for events. */
  signal: AbortSignal;
  onError(error: unknown, context: string): void;
}

/** Leases of one handler. */
export class HandlerLeases {
  readonly #driver: SubscriptionDriver;
  readonly #options: HandlerLeasesOptions;
  /** The last read failed, which was reported. */
  #isAway = false;

  constructor(driver: SubscriptionDriver, options: HandlerLeasesOptions) {
    this.#driver = driver;
    this.#options = options;
  }

  /** The next leases, at most so many; perhaps none. Undefined once the subscription has ended. */
  async next(max: number): Promise<Lease[] | undefined> {
    const { consumer, instance, load, signal } = this.#options;
    try {
      const leases = await this.#driver.lease({
        max,
        maxBytes: BATCH_BYTES,
        leaseMs: Infinity,
        consumer,
        instance,
        load,
        bound: true,
      }, { waitMs: Infinity, throughPause: true, signal });
      for (const missed of this.#driver.queue.takeMissed()) this.#tellMissed(missed);
      this.#isAway = false;
      return leases;
    } catch (error) {
      if (this.#driver.readsLater && !this.#driver.closed) return await this.#noneFor(error);
      // The subscription was closed or removed.
      if (error instanceof EvsError) return undefined;
      throw error;
    }
  }

  /** What is elsewhere may be away for a while: it is asked again. The error is reported once. */
  async #noneFor(error: unknown): Promise<Lease[]> {
    const { clock, signal, onError } = this.#options;
    if (!this.#isAway) onError(error, `the deliveries of ${this.#driver.record.name}`);
    this.#isAway = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.setTimer(resolve, AGAIN_MS);
    const stop = () => resolve();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    await promise;
    signal.removeEventListener("abort", stop);
    cancel();
    return [];
  }

  #tellMissed(missed: Missed): void {
    const { name } = this.#driver.record;
    this.#options.onError(
      new OverflowError(`${name} ${missedText(missed)}`, {
        details: { subscription: name, ...missed },
      }),
      `the subscription ${name}`,
    );
  }
}
