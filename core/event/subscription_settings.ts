/** What a subscription is told of its events: the settings that are kept with it. */
import type { BackoffSpec } from "./backoff.ts";
import type { BreakerSpec } from "./breaker.ts";

/** How a subscription treats its events. Durations in ms. */
export interface SubscriptionSettings {
  /** Retries after the first attempt. */
  maxRetries: number;
  /** The wait before each. */
  backoff: BackoffSpec;
  /** Only these types; empty means all. Others count as done. */
  eventTypes: string[];
  /** A CEL expression; events that do not match count as done. Absent: all. */
  where?: string;
  /** Pauses the subscription when too many attempts fail; null: it never does. */
  breaker: BreakerSpec | null;
}
