/**
 * What is counted before the daemon is told of: dead letters, and what all nodes have to do, if there
 * are others.
 */
import { allReady, type MaybePromise, whenReady } from "../core/base/maybe_promise.ts";
import type { EventBroker } from "../core/broker/event_broker.ts";
import type { SubscriptionDriver } from "../core/delivery/driver.ts";
import { nodesCountsOf } from "../core/delivery/subscription_info.ts";
import { type WholeCounts, wholeCounts } from "../core/delivery/whole_counts.ts";
import type { SharedCounts } from "../core/state/shared_counts.ts";

/** The dead letters at one time. */
export interface DeadCounts {
  of: ReadonlyMap<string, number>;
  total: number;
  /** Those in open groups. */
  open: number;
}

/** All that is counted. */
export interface Counted extends DeadCounts {
  /** What all nodes have to do, by subscription; absent: there is this one alone. */
  nodes?: ReadonlyMap<string, SharedCounts>;
}

/** What there is to do in a subscription. */
export type Load = Pick<WholeCounts, "pending" | "leased" | "scheduled"> & Partial<WholeCounts>;

/** The same on all nodes: each of them tells it, also of what it has nothing of. */
export function loadOf(
  { topics, store }: EventBroker,
  driver: SubscriptionDriver,
  nodes: Counted["nodes"],
): Load {
  const shared = nodes && nodesCountsOf(driver, nodes, { topics, store });
  return shared === undefined ? driver.queue : wholeCounts(driver.queue, shared);
}

/** Counts them: at once, unless the state is elsewhere. */
export function deadCountsOf(
  { deadLetters, deadLetterLimits }: EventBroker,
): MaybePromise<DeadCounts> {
  // One after the other: where one is refused, nobody waits for the others.
  return whenReady(deadLetterLimits.refresh(), () => {
    const counted = allReady([deadLetters.counts(), deadLetters.groups.openCounts()]);
    return whenReady(counted, ([of, open]) => ({ of: of!, total: sum(of!), open: sum(open!) }));
  });
}

function sum(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
