/** What `GET /v1/overview` replies: all that a screen shows, in one request (wire types: protocol.ts). */
import type { InFlightInfo, RetryInfo } from "./in_flight.ts";
import type { SubscriptionInfo } from "./protocol.ts";
import type { StatusReply } from "./status.ts";

/** The orders of subscriptions: by name, or the largest or oldest first. */
export type OverviewSort = "name" | "lag" | "age" | "leased" | "retries" | "dead" | "failed";

/** The query of `GET /v1/overview`. */
export interface OverviewQuery {
  /** Most subscriptions, 0 to 10,000. Default 1,000. */
  limit?: number | undefined;
  /** Default `name`. */
  sort?: OverviewSort | undefined;
  /** Only subscriptions whose name or topic contains this text, whatever its case. */
  filter?: string | undefined;
}

/** How a subscription does. */
export interface SubscriptionOverview extends
  Pick<
    SubscriptionInfo,
    | "name"
    | "topic"
    | "paused"
    | "pauseReason"
    | "pausedBy"
    | "pausedUntil"
    | "pending"
    | "leased"
    | "scheduled"
    | "dead"
    | "oldestPendingAt"
    | "settled"
  > {
  /**
   * How many parts each node owns, the most first, where nodes share the subscription; without a
   * node: what nobody owns.
   */
  owners?: { node?: string; parts: number }[];
  /** The lease that was made first; absent if there is none, or another node has it. */
  oldestLease?: InFlightInfo;
  /** The retry that becomes due next, without its reason; absent if none waits for its time. */
  nextRetry?: RetryInfo;
}

/** `GET /v1/overview`. */
export interface OverviewReply {
  /** The daemon's time, Unix ms: ages are relative to it. */
  at: number;
  /** The same as `GET /v1/status`. */
  status: StatusReply;
  /** The disk of the data dir, bytes; absent where the system does not tell. */
  disk?: { free: number; used: number; size: number };
  /** Events stored since the daemon started. */
  stored: number;
  /** Answers for all subscriptions that there are now, since the daemon started. */
  settled: SubscriptionInfo["settled"];
  /** How many subscriptions match the filter. */
  total: number;
  /** The first of them. */
  subscriptions: SubscriptionOverview[];
}
