/**
 * What one process has in hand, over all its subscriptions. An event that has ended its process
 * twice is delivered to it alone: what it had is answered first, and nothing more is given to it
 * until that event is.
 */

import type { ConsumerRequest } from "../protocol/in_flight.ts";

/** The events that one process holds, and whether it must be given one alone. */
export class ProcessLoad {
  /** Leases that it holds. */
  leased = 0;
  #alone = false;
  #waits = false;
  readonly #freed: () => void;

  /** `freed` is called when more may be given to it again. */
  constructor(freed: () => void) {
    this.#freed = freed;
  }

  /** True when an event may be given to it now. `alone`: only with nothing beside it. */
  mayTake({ alone }: { alone: boolean }): boolean {
    if (this.#alone) return false;
    if (!alone) return !this.#waits;
    this.#waits = this.leased > 0;
    return !this.#waits;
  }

  /** An event was given to it. */
  took({ alone }: { alone: boolean }): void {
    this.leased++;
    if (alone) this.#alone = true;
  }

  /** One that was given to it is back, or settled. */
  ended(): void {
    this.leased--;
    if (this.leased > 0 || !(this.#alone || this.#waits)) return;
    this.#alone = false;
    this.#waits = false;
    queueMicrotask(this.#freed);
  }
}

/**
 * Names the process of a consumer, where it says which: one that has several subscriptions is one
 * all the same.
 */
export function processOf(consumer: ConsumerRequest | undefined): string | undefined {
  if (consumer?.pid === undefined) return consumer?.id;
  return `${consumer.host ?? ""} ${consumer.pid}`;
}
