/** How many dead letters there are: counted before what is told of them is put together. */
import { allReady, type MaybePromise, whenReady } from "../core/base/maybe_promise.ts";
import type { EventBroker } from "../core/broker/event_broker.ts";

/** The dead letters at one time. */
export interface DeadCounts {
  of: ReadonlyMap<string, number>;
  total: number;
  /** Those in open groups. */
  open: number;
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
