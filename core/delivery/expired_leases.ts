/**
 * Ends leases that have run out. Most are failed attempts. One whose event nobody has yet is
 * released; and one whose consumer would have extended it, ends as with its connection.
 */
import type { Clock } from "../base/clock.ts";
import { AGAIN_MS } from "./committer.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { Lease } from "./leases.ts";
import { expirySettlement } from "./plan.ts";

/** What is needed besides the driver. */
export interface ExpiredLeasesContext {
  driver: SubscriptionDriver;
  clock: Clock;
  /** What the holders of these leases wait for is over. */
  endWaits(leases: readonly Lease[]): void;
  /** Leases are watched again: they end later. */
  watched(): void;
  onError(error: unknown, context: string): void;
}

/** Ends the leases of one subscription that have run out. */
export class ExpiredLeases {
  readonly #context: ExpiredLeasesContext;

  constructor(context: ExpiredLeasesContext) {
    this.#context = context;
  }

  /** Ends those that have run out by now. */
  end(): void {
    const { driver: { queue, deliverable, begun }, endWaits } = this.#context;
    const expired = queue.ready.expired(this.#context.driver.now().mono);
    // Nobody has those whose rows are still being read: that is no attempt.
    const ended = expired.filter((lease) => !deliverable.waits(lease));
    if (ended.length < expired.length) {
      const unread = expired.filter((lease) => deliverable.waits(lease));
      queue.release(unread.map(({ token }) => token).reverse());
    }
    const silent = ended.filter(({ grant }) => grant.isExtended);
    if (silent.length > 0) {
      endWaits(silent);
      begun.ranOut(silent);
    }
    const leases = ended.filter(({ grant }) => !grant.isExtended);
    if (leases.length > 0) this.#fail(leases);
  }

  #fail(leases: readonly Lease[]): void {
    const { driver, clock, watched, onError } = this.#context;
    const now = driver.now();
    driver.settle(leases.map((lease) => expirySettlement(lease, now))).catch((error) => {
      const expiry = { at: clock.monotonic() + AGAIN_MS };
      for (const lease of leases) lease.expiry = expiry;
      driver.queue.ready.watch(leases, expiry);
      watched();
      if (!driver.closed) onError(error, `expired leases of ${driver.record.name}`);
    });
  }
}
