/** Shared code of the commands on subscriptions. */
import type { PartOwners } from "../../core/protocol/node.ts";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import { formatBreaker } from "../../core/event/breaker.ts";
import { formatBackoff } from "../../core/event/backoff.ts";
import { inFlightFacts } from "./in_flight.ts";
import { plainText } from "../cli/define.ts";
import { ago } from "../terminal/age.ts";
import { formatTime } from "../terminal/table.ts";

/** The name as the only argument. */
export const nameArgument = {
  kind: "tuple",
  parameters: [{ parse: plainText, brief: "The subscription", placeholder: "NAME" }],
} as const;

function stateOf({ paused, pauseReason, pausedBy, pausedUntil }: SubscriptionInfo): string {
  if (!paused) return "active";
  const by = pausedBy === undefined || pausedBy === "person" ? "" : ` by a ${pausedBy}`;
  const until = pausedUntil === undefined ? "" : ` until ${formatTime(pausedUntil)}`;
  return `paused${by}${until}: ${pauseReason ?? "no reason given"}`;
}

/** Everything about a subscription, for people. */
export function factsOf(info: SubscriptionInfo, now: number): Record<string, unknown> {
  const { settings } = info;
  const missed = info.missed.map((gap) =>
    `${gap.count} of ${gap.topic} (${gap.from} to ${gap.to}): retention took them first`
  );
  const expired = info.expired.map(({ topic, count }) => `${count} of ${topic}`);
  return {
    name: info.name,
    topic: info.topic,
    state: stateOf(info),
    pending: info.pending,
    leased: info.leased,
    scheduled: info.scheduled,
    dead: info.dead,
    oldest: info.oldestPendingAt === undefined
      ? undefined
      : `${ago(now - info.oldestPendingAt)} (${formatTime(info.oldestPendingAt)})`,
    ...inFlightFacts(info, now),
    missed: missed.length === 0 ? undefined : missed.join("; "),
    expired: expired.length === 0 ? undefined : expired.join("; "),
    "max retries": settings.maxRetries,
    "max deliveries": settings.maxDeliveries,
    backoff: formatBackoff(settings.backoff),
    breaker: settings.breaker === null ? undefined : formatBreaker(settings.breaker),
    types: settings.eventTypes.length === 0 ? undefined : settings.eventTypes.join(", "),
    where: settings.where,
    created: formatTime(info.createdAt),
    owners: info.owners?.map(ownerText).join("; ") || undefined,
    ...Object.fromEntries(info.cursors.map((cursor) => [
      `next of ${cursor.topic}`,
      `${cursor.next} (last ${cursor.lastSeq}, ${cursor.lag} behind)`,
    ])),
  };
}

/** What a node owns of a subscription, as in "web1-3f9a02c1: 8 parts (0-7)". */
export function ownerText({ node, parts, seenMs }: PartOwners): string {
  const count = `${parts.length} ${parts.length === 1 ? "part" : "parts"} (${rangesOf(parts)})`;
  if (node === undefined) return `nobody: ${count}`;
  const silent = seenMs === undefined
    ? ", gone"
    : seenMs > SILENT_MS
    ? `, seen ${ago(seenMs)}`
    : "";
  return `${node}: ${count}${silent}`;
}

/** A node says every 2 s that it is there. */
const SILENT_MS = 5000;

/** Ascending numbers as ranges: `0-3, 7`. */
function rangesOf(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(", ");
}
