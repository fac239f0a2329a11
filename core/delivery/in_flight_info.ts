/** What a subscription has in flight, as sent on the wire. */
import { defined } from "../base/defined.ts";
import { type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { ConsumerFacts, InFlightInfo, RetryInfo } from "../protocol/in_flight.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { Lease } from "./leases.ts";
import { nextRetries, retryInfos, waitingRetry } from "./scheduled_retries.ts";
import { OWN_PROCESS } from "./unanswered.ts";

/** Most leases and retries that are listed. */
const MOST_LEASES = 100;
const MOST_RETRIES = 10;

/**
 * The oldest leases, and the retries that are due next. `consumers`: the consumer of each
 * connection.
 */
export function inFlightOf(
  driver: SubscriptionDriver,
  consumers: ReadonlyMap<string, ConsumerFacts>,
): MaybePromise<{ inFlight: InFlightInfo[]; retries: RetryInfo[] }> {
  const inFlight: InFlightInfo[] = [];
  // Leases are in the order in which they were made.
  for (const lease of driver.queue.ready.leases.values()) {
    if (inFlight.length === MOST_LEASES) break;
    inFlight.push(leaseInfo(lease, consumers));
  }
  const next = nextRetries(driver.queue, { limit: MOST_RETRIES });
  return whenReady(retryInfos(driver, next), (retries) => ({ inFlight, retries }));
}

/** The oldest lease, and the retry that becomes due next, without its reason: both without a scan. */
export function nextInFlight(
  driver: SubscriptionDriver,
  consumers: ReadonlyMap<string, ConsumerFacts>,
): { oldestLease?: InFlightInfo; nextRetry?: RetryInfo } {
  const { leases, nextRetry } = driver.queue.ready;
  const { oldest } = leases;
  return defined({
    oldestLease: oldest && leaseInfo(oldest, consumers),
    nextRetry: nextRetry && waitingRetry(driver, nextRetry),
  });
}

function leaseInfo(lease: Lease, consumers: ReadonlyMap<string, ConsumerFacts>): InFlightInfo {
  const { entry, grant } = lease;
  const consumer = grant.instance.startsWith(OWN_PROCESS)
    ? { pid: Deno.pid }
    : consumers.get(grant.consumer);
  return {
    topic: entry.topic,
    seq: entry.seq,
    id: entry.id,
    type: entry.type,
    attempt: lease.attempt,
    delivery: lease.delivery,
    unanswered: entry.unanswered ?? 0,
    since: grant.startedAt,
    ...(Number.isFinite(lease.expiry.at)
      ? { leaseMs: grant.leaseMs, expiresAt: lease.expiresAt }
      : {}),
    ...(lease.isOpen ? { begun: true as const } : {}),
    ...defined({ consumer: consumer && { ...consumer } }),
  };
}
