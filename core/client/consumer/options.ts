/** What a consumer is given, and what it has done at its end. */
import type { PausedBy } from "../../event/subscription_settings.ts";
import type { Clock } from "../../base/clock.ts";
import type { ConsumerPort, Delivery } from "./port.ts";
import type { RunningBatch } from "./work.ts";

/** How to consume. */
export interface ConsumerOptions {
  port: ConsumerPort;
  /** Starts the handler for these, and says what its end means for each of them. */
  start: (deliveries: readonly Delivery[]) => RunningBatch;
  /** Words for a person. */
  say: (text: string) => void;
  /** Handlers that run at the same time. */
  concurrency: number;
  /** The most events that one handler is given. */
  batch?: number;
  /** Ends when nothing is pending, leased or scheduled. */
  untilEmpty?: boolean;
  /** Ends after this many attempts. */
  max?: number;
  /** The most events that are leased ahead of the handlers. Default: as many as keep them busy. */
  prefetch?: number;
  /** Waits while the subscription is paused, instead of ending. */
  throughPause?: boolean;
  /**
   * Whose pauses it waits through in words, where `throughPause` is not set: then it ends with
   * those of others only.
   */
  waitsFor?: readonly PausedBy[];
  /**
   * How long the daemon keeps the leases of a consumer that goes away without a word, ms. Default
   * 0.
   */
  lingerMs?: number;
  /**
   * When it is said that handlers begin: `each` time, or `ahead` for those of the next moment
   * together, where handlers take no longer. Default `each`.
   */
  marks?: "each" | "ahead";
  /** How long handlers may go on after the consumer was told to stop, ms. Default 5,000. */
  graceMs?: number;
  clock?: Clock;
}

/** What was done when the consumer ended. */
export interface ConsumerResult {
  done: number;
  retried: number;
  dead: number;
  /** Settled too late: these will come again. */
  lost: number;
  /** Why it ended paused. */
  paused?: string;
  /** Who had paused it. */
  pausedBy?: PausedBy;
  /** The signal that ended it. */
  interrupted?: Deno.Signal;
}
