/** The options of `subscribe` and its relatives, by name; unknown ones are refused. */
import { namesOf } from "../base/options.ts";
import type { RetriesNowRequest, RetriesPage } from "../protocol/in_flight.ts";
import type { BatchOptions, SubscribeOptions, WaitOptions } from "./subscription.ts";

/** The options of `subscribe`. */
export const SUBSCRIBE_OPTIONS: readonly string[] = namesOf<SubscribeOptions>({
  name: true,
  eventTypes: true,
  where: true,
  maxRetries: true,
  maxDeliveries: true,
  retryDelay: true,
  breaker: true,
  upcast: true,
  from: true,
  concurrency: true,
  rate: true,
  timeoutMs: true,
  middleware: true,
  prefetch: true,
  signal: true,
});

/** The options of `subscribeBatch`. */
export const BATCH_OPTIONS: readonly string[] = [
  ...SUBSCRIBE_OPTIONS,
  ...namesOf<BatchOptions>({ size: true, maxWaitMs: true }),
];

/** The options of a subscription's `retries`. */
export const RETRIES_OPTIONS: readonly string[] = namesOf<RetriesPage>({
  limit: true,
  after: true,
});

/** The options of `retryNow`. */
export const RETRY_NOW_OPTIONS: readonly string[] = namesOf<RetriesNowRequest>({ ids: true });

/** The options of `whenProcessed`. */
export const WAIT_OPTIONS: readonly string[] = namesOf<WaitOptions>({ signal: true });
