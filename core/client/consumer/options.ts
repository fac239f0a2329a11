/** The options of a consumer, and its result. */
import type { PausedBy } from "../../event/subscription_settings.ts";
import type { Clock } from "../../base/clock.ts";
import type { Rate } from "../../base/rate.ts";
import type { ConsumerPort, Delivery } from "./port.ts";
import type { RunningBatch } from "./work.ts";

/** How to consume. */
export interface ConsumerOptions {
  port: ConsumerPort;
  /** Starts the handler for these deliveries, and reports the outcome of each. */
  start: (deliveries: readonly Delivery[]) => RunningBatch;
  /** Messages for people. */
  say: (text: string) => void;
  /** Handlers that run at the same time. */
  concurrency: number;
  /** Most events per handler call. */
  batch?: number;
  /** How many events to start at most, retries included. A batch starts at once and then waits. */
  rate?: Rate | undefined;
  /** Ends when nothing is pending, leased or scheduled. */
  untilEmpty?: boolean;
  /** Ends after this many attempts. */
  max?: number;
  /** Most events to lease ahead of the handlers. Default: enough to keep them busy. */
  prefetch?: number;
  /** Waits while the subscription is paused, instead of ending. */
  throughPause?: boolean;
  /**
   * Whose pauses it waits through and reports, if `throughPause` is not set: pauses by others end
   * it.
   */
  waitsFor?: readonly PausedBy[];
  /** How long the daemon keeps the leases of a consumer that disappears, ms. Default 0. */
  lingerMs?: number;
  /**
   * When deliveries are marked as begun: `each` separately, or `ahead`, several of the next moment
   * together if handlers are fast. Default `each`.
   */
  marks?: "each" | "ahead";
  /** How long handlers may go on after the consumer was stopped, ms. Default 5,000. */
  graceMs?: number;
  clock?: Clock;
}

/** What a consumer has done. */
export interface ConsumerResult {
  done: number;
  retried: number;
  dead: number;
  /** Settled too late: these will be delivered again. */
  lost: number;
  /** The reason of the pause that ended it. */
  paused?: string;
  /** Who had paused it. */
  pausedBy?: PausedBy;
  /** The signal that ended it. */
  interrupted?: Deno.Signal;
}
