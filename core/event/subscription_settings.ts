/** How a subscription treats its events: the settings stored with it. */
import type { BackoffSpec } from "./backoff.ts";
import type { BreakerSpec } from "./breaker.ts";

/** Who paused a subscription: a person, a tripped breaker, or a command that cannot be run. */
export type PausedBy = "person" | "breaker" | "command";

/** How a subscription treats its events. Durations are in ms. */
export interface SubscriptionSettings {
  /** Retries after the first attempt. */
  maxRetries: number;
  /** The wait before each retry. */
  backoff: BackoffSpec;
  /** Only these types; empty means all. Other events count as done. */
  eventTypes: string[];
  /** A CEL expression; events that do not match count as done. Absent: all events match. */
  where?: string;
  /** An event whose deliveries ended this many times without an answer becomes a dead letter. */
  maxDeliveries: number;
  /** Pauses the subscription when too many attempts fail; null disables this. */
  breaker: BreakerSpec | null;
}
