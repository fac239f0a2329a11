/**
 * Removes dead letters beyond the limits of their topic where several nodes share the state, each of
 * which applies them: what one removes is counted by that one, in the same transaction.
 */
import { type LimitReached, removalsOf } from "./expiry_rule.ts";
import type { Transact } from "../state/shared_act.ts";
import type { DeadLetterKey, RemovedDeadLetters, StateChange } from "../state/state.ts";

/** What is removed. */
export interface RemoveBeyond {
  transact: Transact;
  why: LimitReached;
  /** Those of one subscription and topic, of which so many may stay: if there are more by then. */
  max?: number | undefined;
  /** When, Unix ms. */
  lastAt: number;
}

/** Removes those of them that are still there; returns how many that were, to be added. */
export function removeBeyond(
  keys: readonly DeadLetterKey[],
  { transact, why, max, lastAt }: RemoveBeyond,
): Promise<RemovedDeadLetters[]> {
  return transact({
    on: [],
    async decide(rows) {
      const there = new Set(await rows.numbered(keys.map(({ number }) => number)));
      const found = keys.filter(({ number }) => there.has(number));
      const [{ subscription, topic } = { subscription: "", topic: "" }] = found;
      const most = max === undefined
        ? found.length
        : await rows.countDeadLetters({ subscription, topic }) - max;
      const taken = found.slice(0, Math.max(0, most));
      const counts = removalsOf(taken, { why, lastAt });
      const changes = [
        ...taken.map((key): StateChange => ({ op: "dead.expire", key })),
        ...counts.map((record): StateChange => ({ op: "dead.removed", record, add: true })),
      ];
      return { changes, result: counts };
    },
  });
}
