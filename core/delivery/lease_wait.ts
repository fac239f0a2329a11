/** A lease that waits for events. */
import type { Lease } from "./leases.ts";
import type { LeaseOrder } from "./queue.ts";

/** How long and for what a lease waits. */
export interface LeaseWait {
  waitMs: number;
  untilEmpty?: boolean;
  /** Waits on while the subscription is paused, instead of being told at once. */
  throughPause?: boolean;
  signal?: AbortSignal;
}

/** A lease that waits. */
export interface Waiter {
  order: Omit<LeaseOrder, "token">;
  untilEmpty: boolean;
  /** False: it only waits for what is there to be read. */
  waits: boolean;
  throughPause: boolean;
  answer(leases: Lease[]): void;
  fail(error: unknown): void;
}
