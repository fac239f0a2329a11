/** What a subscription is told of its events: the settings that are kept with it. */
import type { BackoffSpec } from "./backoff.ts";
import type { BreakerSpec } from "./breaker.ts";

/** Who paused a subscription: a person, a breaker that tripped, or a command that cannot be run. */
export type PausedBy = "person" | "breaker" | "command";

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
  /** An event whose deliveries ended so many times without an answer is a dead letter. */
  maxDeliveries: number;
  /** Pauses the subscription when too many attempts fail; null: it never does. */
  breaker: BreakerSpec | null;
}
