/**
 * Decides appends with atomic groups, for every store: the conditions of a group are checked before
 * any of its events is stored, so nothing has to be undone when one fails.
 */
import { actualOf, type AppendView, meets } from "./append.ts";
import { eventsOf, type StoreRequest } from "./pack.ts";
import type { AppendOutcome, AtomicGroup, Condition } from "./store.ts";

/** What a store knows of a topic, including what the current append has stored. */
export type TopicLookups = Omit<AppendView, "store">;

/** The lookups of a topic that has no events. */
export const EMPTY_TOPIC: TopicLookups = {
  lastSeq: 0,
  lastSeqOfKey: () => 0,
  seqOfGivenId: () => undefined,
  keySeqOfKey: () => 0,
  keySeqAt: () => 0,
  firstSeq: 1,
};

/** The two things that a store does for an append with groups. */
export interface GroupedAppend {
  /** Stores one request. */
  store(request: StoreRequest): AppendOutcome;
  /** What is known of a topic. */
  lookups(topic: string): TopicLookups;
}

/**
 * Stores the requests in order, those of a group only if all of its conditions hold.
 *
 * ```ts
 * import type { AppendOptions, StoreRequest } from "@env/env-event-stream";
 *
 * declare const on: GroupedAppend; // how your store appends one request
 * const append = (requests: StoreRequest[], { groups }: AppendOptions) =>
 *   appendInGroups(requests, groups, on);
 * ```
 */
export function appendInGroups(
  requests: readonly StoreRequest[],
  groups: readonly AtomicGroup[] | undefined,
  on: GroupedAppend,
): AppendOutcome[] {
  if (!groups) return requests.map((request) => on.store(request));
  const outcomes: AppendOutcome[] = [];
  const group = groups[Symbol.iterator]();
  let next = group.next().value;
  while (outcomes.length < requests.length) {
    const at = outcomes.length;
    if (next?.from !== at) {
      outcomes.push(on.store(requests[at]!));
      continue;
    }
    const together = requests.slice(next.from, next.to);
    const conflict = checkConditions(together, next.conditions, on);
    for (const request of together) outcomes.push(conflict ?? on.store(request));
    next = group.next().value;
  }
  return outcomes;
}

/**
 * The first condition that does not hold. As with the expectation of a single request, events that
 * are already stored come first: if all of them are, the group repeats one that was stored under
 * the same conditions; if only some are, the rest cannot be judged.
 */
function checkConditions(
  requests: readonly StoreRequest[],
  conditions: readonly Condition[],
  { lookups }: GroupedAppend,
): Extract<AppendOutcome, { ok: false }> | undefined {
  if (conditions.length === 0) return undefined;
  const events = requests.flatMap((request) => {
    const { seqOfGivenId } = lookups(request.topic);
    return eventsOf(request).map(({ id, idGiven }) => ({
      id,
      isKnown: idGiven && seqOfGivenId(id) !== undefined,
    }));
  });
  const known = events.filter(({ isKnown }) => isKnown);
  if (known.length === events.length) return undefined;
  if (known.length > 0) {
    const { topic, expected } = conditions[0]!;
    const ids = known.map(({ id }) => id);
    return { ok: false, expected, actual: lookups(topic).lastSeq, subject: "ids", ids };
  }
  for (const [condition, { topic, key, expected }] of conditions.entries()) {
    const actual = actualOf(lookups(topic), { key, expected });
    if (meets(expected, actual)) continue;
    const failed = { ok: false, expected, actual, condition } as const;
    return key === undefined ? { ...failed, subject: "topic" } : { ...failed, subject: "key", key };
  }
  return undefined;
}
