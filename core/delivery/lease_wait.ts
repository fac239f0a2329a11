/** Lease requests that wait for events. */
import type { Clock } from "../base/clock.ts";
import type { Lease } from "./leases.ts";
import type { LeaseOrder } from "./queue.ts";

/** How long a lease request waits, and for what. */
export interface LeaseWait {
  waitMs: number;
  untilEmpty?: boolean;
  /** Keep waiting while the subscription is paused, instead of returning at once. */
  throughPause?: boolean;
  /** Return at once while this node is to give back what it owns. */
  endsDrained?: boolean;
  signal?: AbortSignal;
}

/** A waiting lease request. */
export interface Waiter {
  order: Omit<LeaseOrder, "token">;
  untilEmpty: boolean;
  /** False: it only waits for events that are already stored. */
  waits: boolean;
  /** Events are leased for it, and rows of theirs are being read. */
  isRead: boolean;
  throughPause: boolean;
  endsDrained: boolean;
  answer(leases: Lease[]): void;
  fail(error: unknown): void;
}

/** The lease requests of one subscription that wait, in the order in which they came. */
export class Waiters {
  readonly #clock: Clock;
  #all: readonly Waiter[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#all.length;
  }

  includes(waiter: Waiter): boolean {
    return this.#all.includes(waiter);
  }

  /** Those that wait now, also if some are answered meanwhile. */
  [Symbol.iterator](): Iterator<Waiter> {
    return this.#all[Symbol.iterator]();
  }

  /**
   * Resolves with leases, or with none when the wait is over. `serve` answers it at once if it can;
   * `failed` is called after it has thrown, which the caller is told.
   */
  wait(
    order: Omit<LeaseOrder, "token">,
    wait: LeaseWait,
    { serve, failed }: { serve(): void; failed(): void },
  ): Promise<Lease[]> {
    return new Promise((resolve, reject) => {
      let cancelTimer: (() => void) | undefined;
      const stop = () => waiter.answer([]);
      const leave = () => {
        cancelTimer?.();
        wait.signal?.removeEventListener("abort", stop);
        this.#all = this.#all.filter((other) => other !== waiter);
      };
      const waiter: Waiter = {
        order,
        untilEmpty: wait.untilEmpty ?? false,
        waits: wait.waitMs > 0,
        isRead: false,
        throughPause: wait.throughPause ?? false,
        endsDrained: wait.endsDrained ?? false,
        answer(leases) {
          leave();
          resolve(leases);
        },
        fail(error) {
          leave();
          reject(error);
        },
      };
      this.#all = [...this.#all, waiter];
      try {
        serve();
      } catch (error) {
        waiter.fail(error);
        return failed();
      }
      if (!this.#all.includes(waiter)) return;
      if (wait.signal?.aborted) return stop();
      wait.signal?.addEventListener("abort", stop, { once: true });
      if (Number.isFinite(wait.waitMs) && wait.waitMs > 0) {
        cancelTimer = this.#clock.setTimer(() => {
          // What is leased for it is on its way.
          if (waiter.isRead) waiter.waits = false;
          else stop();
        }, wait.waitMs);
      }
    });
  }

  /** What the holders of these leases wait for is over, without any. */
  endOf(leases: readonly Lease[]): void {
    const holders = new Set(leases.map(({ grant }) => grant.instance));
    for (const { order, answer } of this) {
      if (holders.has(order.instance ?? order.consumer)) answer([]);
    }
  }
}
