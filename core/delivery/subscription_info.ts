/** A subscription as the wire tells it. */
import { defined } from "../base/defined.ts";
import type { SubscriptionInfo } from "../protocol/protocol.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { SharedCounts } from "../state/shared_counts.ts";
import type { ManagerContext } from "./manager_context.ts";
import { pauseOf } from "./pause.ts";
import { positionsOf, type TopicPosition } from "./positions.ts";
import { ownCounts, wholeCounts } from "./whole_counts.ts";

/** Knows when events were stored, Unix ms. */
export interface EventTimes {
  /** `asker`: whose cursor is at the event. */
  storedAt(topic: string, seq: number, asker?: string): number | undefined;
}

/**
 * When the oldest event was stored that is pending or in flight; undefined if there is none, and
 * "unknown" as long as that of a topic is not known. The one at a cursor is the oldest of its topic.
 */
export function oldestPending(
  { queue, record }: SubscriptionDriver,
  times: EventTimes,
  positions: readonly TopicPosition[] = positionsOf(queue),
): number | "unknown" | undefined {
  let oldest: number | undefined;
  let isKnown = true;
  for (const { topic, next, lastSeq } of positions) {
    if (next > lastSeq) continue;
    const at = times.storedAt(topic, next, record.name);
    if (at === undefined) isKnown = false;
    else if (oldest === undefined || at < oldest) oldest = at;
  }
  return isKnown ? oldest : "unknown";
}

/** The same; undefined, too, as long as it is not known. */
export function oldestPendingAt(
  driver: SubscriptionDriver,
  times: EventTimes,
  positions?: readonly TopicPosition[],
): number | undefined {
  const oldest = oldestPending(driver, times, positions);
  return oldest === "unknown" ? undefined : oldest;
}

/** What is known besides the driver. */
export interface InfoFacts {
  dead: number;
  times: EventTimes;
  /** Set if other nodes have parts of it. */
  shared?: Parameters<typeof wholeCounts>[1] | undefined;
}

/** What all nodes have of a subscription; undefined if it is this process's alone. */
export function nodesCountsOf(
  { record: { name, topic }, ledger }: SubscriptionDriver,
  counts: ReadonlyMap<string, SharedCounts>,
  { topics, store }: Pick<ManagerContext, "topics" | "store">,
): InfoFacts["shared"] {
  if (!ledger.lasts) return undefined;
  return {
    counts: counts.get(name) ?? NOTHING,
    topics: new Map(topics.match(topic).map((one) => [one, store.head(one)])),
  };
}

/** Of a subscription with which nobody has begun. */
const NOTHING: SharedCounts = { parts: [], loads: new Map(), cursors: [], missed: [] };

/** A subscription as sent on the wire. */
export function subscriptionInfoOf(
  driver: SubscriptionDriver,
  { dead, times, shared }: InfoFacts,
): SubscriptionInfo {
  driver.look();
  const { queue, record } = driver;
  const { tally } = queue.counts;
  const { pending, leased, scheduled, leasedSince, ...all } = shared
    ? wholeCounts(queue, shared)
    : ownCounts(queue);
  const positions = all.positions.sort((a, b) => a.topic < b.topic ? -1 : 1);
  return {
    name: record.name,
    topic: record.topic,
    settings: record.settings,
    paused: record.paused,
    ...pauseOf(record),
    cursors: positions.map(({ topic, next, lastSeq }) => {
      const lag = Math.max(0, lastSeq - next + 1);
      return { topic, next, lastSeq, lag };
    }),
    pending,
    leased,
    scheduled,
    dead,
    ...defined({ oldestPendingAt: oldestPendingAt(driver, times, positions), leasedSince }),
    settled: { acknowledged: tally.acknowledged, failed: tally.failed, dead: tally.dead },
    missed: positions.flatMap(({ topic, missed }) =>
      missed ? [{ topic, from: missed.from, to: missed.to, count: missed.count }] : []
    ),
    expired: Array.from(queue.expired, ([topic, count]) => ({ topic, count })),
    ...(queue.redacted === 0 ? {} : { redacted: queue.redacted }),
    createdAt: record.createdAt,
  };
}
