/** Decides how many events a consumer asks for, and how many it may start. */
import { MOST_DELIVERIES } from "../../event/limits.ts";
import type { RateLimit } from "../../base/rate.ts";
import type { ConsumerOptions } from "./options.ts";
import type { Prefetch } from "./prefetch.ts";

/** What a consumer is busy with. */
export interface ConsumerLoad {
  /** Handler calls that run. */
  running: number;
  /** Events whose handlers have not started. */
  waiting: number;
  /** Attempts started. */
  started: number;
}

type Sizes = Pick<ConsumerOptions, "concurrency" | "batch" | "max">;

/**
 * How many leases to request. With a rate only what may start at once: an event that waits for its
 * turn waits in the daemon, where another consumer can have it, and no lease runs out meanwhile.
 */
export function demand(
  { concurrency, batch = 1, max = Infinity }: Sizes,
  { running, waiting, started }: ConsumerLoad,
  { prefetch, limit }: { prefetch: Prefetch; limit: RateLimit | undefined },
): number {
  const idle = (concurrency - running) * batch;
  const ahead = limit ? 0 : prefetch.wanted(Math.max(0, waiting - idle));
  const lacking = Math.max(0, idle - waiting) + ahead;
  const permitted = mayStart(limit, batch) - waiting;
  return Math.max(0, Math.min(MOST_DELIVERIES, lacking, permitted, max - started - waiting));
}

/** How many events may start now: the tokens, or one whole batch on credit. */
export function mayStart(limit: RateLimit | undefined, batch: number): number {
  if (limit === undefined) return Infinity;
  const { tokens } = limit;
  return tokens === 0 ? 0 : Math.max(tokens, batch);
}
