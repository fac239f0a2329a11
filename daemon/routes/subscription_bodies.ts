/** The request bodies of subscription routes. */
import { checkBackoff } from "../../core/event/backoff.ts";
import { checkBreaker } from "../../core/event/breaker.ts";
import {
  LONGEST_BREAKER_WINDOW,
  LONGEST_DELAY_MS,
  LONGEST_LEASE_MS,
  LONGEST_LINGER_MS,
  LONGEST_PAUSE_MS,
  LONGEST_WAIT_MS,
  MOST_DELIVERIES,
  MOST_RETRIES,
  SHORTEST_HEARTBEAT_MS,
} from "../../core/event/limits.ts";
import {
  choice,
  flag,
  list,
  nullable,
  object,
  refined,
  share,
  text,
  whole,
} from "../http/shape.ts";
import { offset, topicName, topicPattern, typeName } from "./shapes.ts";

const delayMs = whole([0, LONGEST_DELAY_MS]);
const leaseMs = whole([1, LONGEST_LEASE_MS]);
const waitMs = whole([0, LONGEST_WAIT_MS]);
const leases = list(text, { what: "strings" });
const anyNumber = whole([0, Number.MAX_SAFE_INTEGER]);

const backoff = object({
  kind: choice(["fixed", "linear", "exp"]),
  base: delayMs,
  max: delayMs,
  jitter: flag,
}, { required: ["kind", "base", "max", "jitter"] });

const breaker = object({
  failing: share,
  window: whole([1, LONGEST_BREAKER_WINDOW]),
}, { required: ["failing", "window"] });

/**
 * How a subscription treats its events. Without a breaker nothing pauses it; an absent setting
 * stays unchanged.
 */
const settings = object({
  maxRetries: whole([0, MOST_RETRIES]),
  maxDeliveries: whole([1, MOST_RETRIES]),
  backoff: refined(backoff, checkBackoff),
  eventTypes: list(typeName, { what: "types" }),
  where: text,
  breaker: nullable(refined(breaker, checkBreaker)),
});

/** `PUT /v1/subscriptions/{name}`. */
export const subscriptionRequest = object({
  topic: topicPattern,
  from: offset,
  settings,
  update: flag,
  resume: flag,
}, { required: ["topic"] });

/** `…/pause`. */
export const pauseRequest = object({
  reason: text,
  by: choice(["person", "breaker", "command"]),
  forMs: whole([1, LONGEST_PAUSE_MS]),
});

/** `…/seek`. */
export const seekRequest = object({ to: offset, dryRun: flag }, { required: ["to"] });

/** `…/lease`. */
export const leaseRequest = object({
  max: whole([1, MOST_DELIVERIES]),
  leaseMs,
  waitMs,
  bind: flag,
  lingerMs: whole([0, LONGEST_LINGER_MS]),
  untilEmpty: flag,
  throughPause: flag,
  heartbeatMs: whole([SHORTEST_HEARTBEAT_MS, LONGEST_WAIT_MS]),
  consumer: object({
    id: text,
    pid: whole([1, Number.MAX_SAFE_INTEGER]),
    host: text,
    command: text,
  }, { required: ["id"] }),
});

/** `…/begin`. */
export const beginBody = object({ leases, soon: flag, ended: leases }, { required: ["leases"] });

/** `…/ack` and `…/release`. */
export const leasesRequest = object({ leases }, { required: ["leases"] });

/** `…/extend`. */
export const extendRequest = object({ leases, leaseMs }, { required: ["leases"] });

/** `…/nack`. */
export const nackRequest = object({
  deliveries: list(
    object({
      lease: text,
      error: text,
      durationMs: anyNumber,
      exitCode: whole([0, 255]),
      signal: text,
      stderr: text,
      stack: text,
      dead: flag,
      afterMs: delayMs,
    }, { required: ["lease", "error"] }),
    { what: "failures" },
  ),
}, { required: ["deliveries"] });

/** `…/processed`. */
export const processedRequest = object({
  topic: topicName,
  seq: whole([1, Number.MAX_SAFE_INTEGER]),
  waitMs,
}, { required: ["topic", "seq"] });
