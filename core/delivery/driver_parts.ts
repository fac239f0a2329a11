/** What a driver of deliveries is given, and what is asked of it. */
import type { Clock } from "../clock.ts";
import type { JournalStore } from "../store/store.ts";
import type { Ledger } from "./committer.ts";
import type { Lease } from "./entry.ts";
import type { LeaseOrder } from "./queue.ts";

/** What a driver is given. */
export interface DriverContext {
  clock: Clock;
  random: () => number;
  store: JournalStore;
  ledger: Ledger;
  /** Pauses the subscription: its breaker has tripped. */
  trip(reason: string): Promise<unknown>;
  /** A failure that nobody waits for. */
  onError(error: unknown, context: string): void;
}

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

const boot = crypto.getRandomValues(new Uint32Array(2)).reduce(
  (text, n) => text + n.toString(36),
  "",
);
let lastToken = 0;

/** A lease token: never used before, not in an earlier process either. */
export function newToken(): string {
  return `${boot}-${(++lastToken).toString(36)}`;
}
