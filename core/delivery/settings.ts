/** The settings of a subscription: defaults, checks, differences. */
import { InvalidArgumentError } from "../base/errors.ts";
import { checkBreaker } from "../event/breaker.ts";
import { checkBackoff, defaultBackoff } from "../event/backoff.ts";
import type { SubscriptionSettings } from "../state/state.ts";
import { canonicalJson } from "../json/json_object.ts";

/** The default settings. */
export const defaultSettings: Readonly<SubscriptionSettings> = {
  maxRetries: 3,
  maxDeliveries: 10,
  backoff: defaultBackoff,
  eventTypes: [],
  breaker: null,
};

const FIELDS = ["maxRetries", "maxDeliveries", "backoff", "eventTypes", "where", "breaker"];

/** Checks settings from outside; every error names the field. Unknown fields are refused. */
export function checkSettings(given: unknown): Partial<SubscriptionSettings> {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new InvalidArgumentError("settings are a JSON object", {
      details: { field: "settings" },
    });
  }
  const settings = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as Partial<SubscriptionSettings>;
  const unknown = Object.keys(settings).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) {
    throw refuse(unknown, `is not a setting: those are ${FIELDS.join(", ")}`);
  }
  const { maxRetries, backoff, eventTypes, where } = settings;
  if (maxRetries !== undefined && !(Number.isSafeInteger(maxRetries) && maxRetries >= 0)) {
    throw refuse("maxRetries", `is a whole number from 0, not ${JSON.stringify(maxRetries)}`);
  }
  const { maxDeliveries } = settings;
  if (maxDeliveries !== undefined && !(Number.isSafeInteger(maxDeliveries) && maxDeliveries >= 1)) {
    throw refuse("maxDeliveries", `is a whole number from 1, not ${JSON.stringify(maxDeliveries)}`);
  }
  if (backoff !== undefined) checkBackoff(backoff);
  if (
    eventTypes !== undefined &&
    !(Array.isArray(eventTypes) && eventTypes.every((type) => typeof type === "string"))
  ) throw refuse("eventTypes", "is a list of types");
  if (settings.breaker !== undefined) checkBreaker(settings.breaker);
  if (where !== undefined && typeof where !== "string") throw refuse("where", "is an expression");
  return settings;
}

function refuse(field: string, what: string): InvalidArgumentError {
  return new InvalidArgumentError(`${field} ${what}`, { details: { field } });
}

/** The names of requested settings that differ from the current ones. */
export function differingSettings(
  have: SubscriptionSettings,
  want: Partial<SubscriptionSettings>,
): string[] {
  return Object.entries(want)
    .filter(([field, value]) => !same(have[field as keyof SubscriptionSettings], value))
    .map(([field]) => field);
}

function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
