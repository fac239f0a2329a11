/** Lease requests that wait for events. */
import type { Lease } from "./leases.ts";
import type { LeaseOrder } from "./queue.ts";

/** How long a lease request waits, and for what. */
export interface LeaseWait {
  waitMs: number;
  untilEmpty?: boolean;
  /** Keep waiting while the subscription is paused, instead of returning at once. */
  throughPause?: boolean;
  signal?: AbortSignal;
}

/** A waiting lease request. */
export interface Waiter {
  order: Omit<LeaseOrder, "token">;
  untilEmpty: boolean;
  /** False: it only waits for events that are already stored. */
  waits: boolean;
  throughPause: boolean;
  answer(leases: Lease[]): void;
  fail(error: unknown): void;
}
