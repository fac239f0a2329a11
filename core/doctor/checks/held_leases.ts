/**
 * Events that consumers of a running daemon have held for too long without an answer: a handler
 * hangs, or its consumer keeps extending the lease.
 */
import { EvsError } from "../../base/errors.ts";
import { formatDuration } from "../../base/units.ts";
import type { InFlightInfo } from "../../protocol/in_flight.ts";
import type { SubscriptionInfo } from "../../protocol/protocol.ts";
import type { Check, CheckContext, Finding } from "./check.ts";
import { counted } from "./counted.ts";

const MINUTE = 60_000;
/** An event held for less than this is never reported, however short its lease. */
const SHORTEST = 10 * MINUTE;
/** Holding an event for this many times the requested lease time is too long. */
const LEASES = 10;

export const heldLeases: Check = {
  name: "held-leases",
  async *look(context): AsyncGenerator<Finding> {
    if (!context.ask) return;
    const { subscriptions } = await context.ask("/v1/subscriptions") as {
      subscriptions: SubscriptionInfo[];
    };
    for (const { name, leased } of subscriptions) {
      if (leased === 0) continue;
      for (const held of byConsumer(heldTooLong(await inFlightOf(context, name), context.now))) {
        yield findingOf(name, held, context.now);
      }
    }
  },
};

/** The oldest leased events; none if the subscription was removed meanwhile. */
async function inFlightOf({ ask }: CheckContext, name: string): Promise<InFlightInfo[]> {
  try {
    const info = await ask!(`/v1/subscriptions/${encodeURIComponent(name)}`) as SubscriptionInfo;
    return info.inFlight ?? [];
  } catch (error) {
    if (error instanceof EvsError && error.status === 404) return [];
    throw error;
  }
}

/**
 * The events held for too long. Those that wait in a consumer's prefetch while its handlers are
 * busy are not reported.
 */
export function heldTooLong(inFlight: readonly InFlightInfo[], now: number): InFlightInfo[] {
  const busy = new Set(inFlight.filter(({ begun }) => begun).map(consumerOf));
  return inFlight.filter((one) => {
    const waits = !one.begun && consumerOf(one) !== undefined && busy.has(consumerOf(one));
    return !waits && now - one.since > Math.max(SHORTEST, LEASES * (one.leaseMs ?? 0));
  });
}

function consumerOf({ consumer }: InFlightInfo): string | undefined {
  return consumer?.id ?? (consumer?.pid === undefined ? undefined : String(consumer.pid));
}

/** Groups the events by consumer, oldest first. */
function byConsumer(held: readonly InFlightInfo[]): [InFlightInfo, ...InFlightInfo[]][] {
  const groups = new Map<string | undefined, [InFlightInfo, ...InFlightInfo[]]>();
  for (const one of held) {
    const group = groups.get(consumerOf(one));
    if (group) group.push(one);
    else groups.set(consumerOf(one), [one]);
  }
  return [...groups.values()];
}

function findingOf(
  name: string,
  [oldest, ...others]: [InFlightInfo, ...InFlightInfo[]],
  now: number,
): Finding {
  const { pid, host, command, lastAckAt } = oldest.consumer ?? {};
  const who = pid === undefined
    ? "a consumer that does not say who it is"
    : `process ${pid}${host === undefined ? "" : ` on ${host}`}` +
      (command === undefined ? "" : ` (${command})`);
  const acked = lastAckAt === undefined
    ? ""
    : `; it last answered for an event ${minutes(now - lastAckAt)} ago`;
  const more = others.length === 0 ? "" : ` and ${counted(others.length, "other event")}`;
  const show = `evs subscription show ${name}`;
  return {
    level: "warning",
    where: name,
    what: `${who} has held event ${oldest.seq} of ${oldest.topic} (${oldest.id})${more} for ` +
      `${minutes(now - oldest.since)} without an answer${acked}`,
    hint: pid === undefined
      ? `${show} has the rest; release gives a lease back`
      : `${show} has the rest; where its handler hangs: kill ${pid}, and the event is delivered ` +
        "again; consume --timeout ends such handlers",
    details: { subscription: name, ...oldest, others: others.length },
  };
}

/** A duration in whole minutes; the clock may have been set back. */
function minutes(ms: number): string {
  return ms < MINUTE ? "under 1m" : formatDuration(Math.floor(ms / MINUTE) * MINUTE);
}
