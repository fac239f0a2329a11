/** Limits on a single lease request. */
import type { LeaseRequest } from "../protocol/protocol.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import {
  DEFAULT_LEASE_MS,
  LONGEST_LEASE_MS,
  LONGEST_WAIT_MS,
  MOST_DELIVERIES,
} from "../event/limits.ts";

/** Most bytes of events in one response; one event is always sent. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The values of a lease request, checked against the limits. */
export function leaseLimits(
  request: Pick<LeaseRequest, "leaseMs" | "waitMs" | "max">,
): { leaseMs: number; waitMs: number; max: number } {
  return {
    leaseMs: within(request.leaseMs, {
      name: "leaseMs",
      standard: DEFAULT_LEASE_MS,
      least: 1,
      most: LONGEST_LEASE_MS,
    }),
    waitMs: within(request.waitMs, {
      name: "waitMs",
      standard: 0,
      least: 0,
      most: LONGEST_WAIT_MS,
    }),
    max: within(request.max, { name: "max", standard: 1, least: 1, most: MOST_DELIVERIES }),
  };
}

function within(
  value: number | undefined,
  rule: { name: string; standard: number; least: number; most: number },
): number {
  if (value === undefined) return rule.standard;
  if (Number.isSafeInteger(value) && value >= rule.least && value <= rule.most) return value;
  throw new InvalidArgumentError(
    `${rule.name} is a whole number from ${rule.least} to ${rule.most}, not ${
      JSON.stringify(value)
    }`,
    { details: { field: rule.name } },
  );
}
