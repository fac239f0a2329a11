/** Dead letters by cause: a few lines where there are hundreds of entries. */
import type { DeadLetterGroup } from "../protocol/protocol.ts";
import type { DeadLetterRecord } from "../state/state.ts";
import { foldReason } from "../state/reason.ts";

/** Causes that are kept apart; what comes after counts as one. */
const MOST = 1000;
/** What the rest is called. */
const REST = "*";

/** Counts entries by what their reasons have in common. */
export class CauseCounter {
  readonly #groups = new Map<string, DeadLetterGroup & { in: Set<string> }>();

  add({ reason, diedAt, subscription, id, seq, topic }: DeadLetterRecord): void {
    let cause = foldReason(reason);
    if (!this.#groups.has(cause) && this.#groups.size >= MOST) cause = REST;
    const example = { id, topic, seq, subscription, reason };
    const group = this.#groups.get(cause);
    if (!group) {
      this.#groups.set(cause, {
        reason: cause,
        count: 1,
        firstAt: diedAt,
        lastAt: diedAt,
        subscriptions: [],
        example,
        in: new Set([subscription]),
      });
      return;
    }
    group.count++;
    group.in.add(subscription);
    group.firstAt = Math.min(group.firstAt, diedAt);
    if (diedAt > group.lastAt) Object.assign(group, { lastAt: diedAt, example });
  }

  /** The groups, the largest first. */
  groups(): DeadLetterGroup[] {
    return [...this.#groups.values()]
      .map(({ in: names, ...group }) => ({ ...group, subscriptions: [...names].sort() }))
      .sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1));
  }
}
