/** How far subscriptions have got in a topic, for retention that waits for them. */
import { UNNAMED } from "../protocol/constants.ts";
import type { StateChange } from "../state/state.ts";
import type { ConsumerProgress } from "../store/consumption.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { DeliveryQueue } from "./queue.ts";

/**
 * The first seq of a topic, from `from` on, that is durably neither done nor dead. A scheduled
 * retry has a copy of its event, but is not finished either.
 */
export function firstUnfinished(
  queue: DeliveryQueue,
  { topic, from }: { topic: string; from: number },
): number {
  // The cursor as stored: what is settled in memory only would come back after a crash.
  const lanes = queue.lanes.of(topic);
  let first = lanes.length > 0 ? Math.min(...lanes.map(({ writtenNext }) => writtenNext)) : 0;
  for (const entry of queue.ready.retries.values()) {
    if (entry.topic === topic && entry.seq >= from && entry.seq < first) first = entry.seq;
  }
  return first;
}

/** How far each of these subscriptions has got, leaving out those without a name. */
export function progressOf(
  drivers: readonly SubscriptionDriver[],
  place: { topic: string; from: number },
): ConsumerProgress[] {
  return namedOf(drivers).map(({ record: { name }, queue }) => ({
    subscription: name,
    next: firstUnfinished(queue, place),
  }));
}

/** Those of subscriptions with a name, which are all that retention waits for. */
export function namedOf(drivers: readonly SubscriptionDriver[]): SubscriptionDriver[] {
  return drivers.filter(isNamed);
}

function isNamed({ record, ledger }: SubscriptionDriver): boolean {
  return ledger.lasts && !record.name.startsWith(UNNAMED);
}

/** The topics of which changes finish something: a cursor moves, or a retry is over. */
export function finishedIn(changes: readonly StateChange[]): Set<string> {
  const topics = new Set<string>();
  for (const change of changes) {
    if (change.op === "cursor.put") topics.add(change.record.topic);
    else if (change.op === "retry.remove") topics.add(change.topic);
  }
  return topics;
}
