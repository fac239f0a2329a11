/** The change that records an act, for the transaction of the act itself. */
import type { Clock } from "../base/clock.ts";
import { defined } from "../base/defined.ts";
import { truncateDetails } from "../base/truncate.ts";
import type { ActOptions, ActOrigin, AuditAct, AuditFacts } from "../event/audit.ts";
import { UNNAMED } from "../protocol/constants.ts";
import type { StateChange, SubscriptionRecord } from "./state.ts";

/** So many acts are kept, */
export const AUDIT_MOST = 10_000;
/** of those that are older than this, ms, */
export const AUDIT_AGE = 90 * 24 * 3_600_000;
/** only the last so many: a clock that is wrong must not delete all of them. */
export const AUDIT_LEAST = 1000;

/** The origin of what the application itself does, in whose process the broker is. */
export function byLibrary(clock: Pick<Clock, "now">): ActOptions {
  return { act: { way: "library", at: clock.now() } };
}

/** Records an act; nothing if nobody in particular acts. */
export function audited(origin: ActOrigin | undefined, facts: AuditFacts): StateChange[] {
  if (origin === undefined) return [];
  const { act, topic, subscription, details } = facts;
  // The reason of a pause may be as long as a request, and thousands of acts are kept.
  const given = details && truncateDetails(defined(details));
  const { way, by, at } = origin;
  const record = {
    at: Math.round(at),
    act,
    way,
    ...defined({ by, topic, subscription, details: given }),
  };
  return [{ op: "audit.put", record }];
}

/**
 * Records an act on a subscription, unless a client made it that gave it no name: nobody asks about
 * those.
 */
export function auditedSubscription(
  act: AuditAct,
  { name, topic }: Pick<SubscriptionRecord, "name" | "topic">,
  { act: origin, details }: ActOptions & Pick<AuditFacts, "details">,
): StateChange[] {
  if (name.startsWith(UNNAMED)) return [];
  return audited(origin, { act, subscription: name, topic, ...defined({ details }) });
}
