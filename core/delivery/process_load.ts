/**
 * Tracks what one process has leased, over all its subscriptions. An event that has ended its
 * process twice is delivered alone: the process first answers what it has, and gets nothing more
 * until that event is answered.
 */

import type { ConsumerRequest } from "../protocol/in_flight.ts";

/** The leases of one process, and whether it must get an event alone. */
export class ProcessLoad {
  /** Leases that it holds. */
  leased = 0;
  #alone = false;
  #waits = false;
  readonly #freed: () => void;

  /** `freed` is called when it may lease again. */
  constructor(freed: () => void) {
    this.#freed = freed;
  }

  /** True if it may lease an event now. `alone`: only with nothing else. */
  mayTake({ alone }: { alone: boolean }): boolean {
    if (this.#alone) return false;
    if (!alone) return !this.#waits;
    this.#waits = this.leased > 0;
    return !this.#waits;
  }

  /** True if it may lease nothing, because of an event that it has alone or is to have. */
  get isHeldBack(): boolean {
    return this.#alone || this.#waits;
  }

  /** It has leased an event. */
  took({ alone }: { alone: boolean }): void {
    this.leased++;
    if (alone) this.#alone = true;
  }

  /** One of its leases was released or settled. */
  ended(): void {
    this.leased--;
    if (this.leased > 0 || !(this.#alone || this.#waits)) return;
    this.#alone = false;
    this.#waits = false;
    queueMicrotask(this.#freed);
  }
}

/** What each process has leased, over all subscriptions. */
export class ProcessLoads {
  readonly #loads = new Map<string, ProcessLoad>();
  readonly #freed: () => void;

  /** `freed` is called when one of them may lease again. */
  constructor(freed: () => void) {
    this.#freed = freed;
  }

  of(process: string): ProcessLoad {
    let load = this.#loads.get(process);
    if (!load) {
      for (const [known, { leased }] of this.#loads) if (leased === 0) this.#loads.delete(known);
      load = new ProcessLoad(this.#freed);
      this.#loads.set(process, load);
    }
    return load;
  }
}

/**
 * Identifies the process of a consumer, if it says which: several subscriptions of one process
 * count as one.
 */
export function processOf(consumer: ConsumerRequest | undefined): string | undefined {
  if (consumer?.pid === undefined) return consumer?.id;
  return `${consumer.host ?? ""} ${consumer.pid}`;
}
