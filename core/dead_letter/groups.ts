/** Dead letters by cause: a few lines where there are hundreds of entries. */
import type { DeadLetterGroup } from "../protocol/protocol.ts";
import type { DeadLetterRecord } from "../state/state.ts";
import { foldReason, foldReasonWholly } from "../state/reason.ts";

/** Causes that are kept apart; what comes after counts as one. */
const MOST = 1000;
/** What the rest is called. */
const REST = "*";
/**
 * So many causes that differ in a word or a code may stand beside each other; more of them are
 * data: names, short ids.
 */
const MOST_ALIKE = 20;

type Group = DeadLetterGroup & { in: Set<string> };

/** Counts entries by what their reasons have in common. */
export class CauseCounter {
  readonly #groups = new Map<string, Group>();
  /**
   * The groups that are alike but for a word or a code; undefined: too many, they are one group of
   * that name.
   */
  readonly #alike = new Map<string, Set<string> | undefined>();

  /** Counts one entry. */
  add({ reason, diedAt, subscription, id, seq, topic }: DeadLetterRecord): void {
    const cause = this.#causeOf(reason);
    this.#put(cause, {
      reason: cause,
      count: 1,
      firstAt: diedAt,
      lastAt: diedAt,
      subscriptions: [],
      example: { id, topic, seq, subscription, reason },
      in: new Set([subscription]),
    });
  }

  /** The groups, the largest first. */
  groups(): DeadLetterGroup[] {
    return [...this.#groups.values()]
      .map(({ in: names, ...group }) => ({ ...group, subscriptions: [...names].sort() }))
      .sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1));
  }

  #causeOf(reason: string): string {
    const cause = foldReason(reason);
    if (this.#groups.has(cause)) return cause;
    const wide = foldReasonWholly(cause);
    if (!this.#alike.has(wide)) {
      if (this.#groups.size >= MOST) return REST;
      this.#alike.set(wide, new Set());
    }
    const alike = this.#alike.get(wide);
    if (alike === undefined) return wide;
    if (alike.size < MOST_ALIKE && this.#groups.size < MOST) {
      alike.add(cause);
      return cause;
    }
    this.#merge(wide, alike);
    return wide;
  }

  #merge(wide: string, alike: ReadonlySet<string>): void {
    this.#alike.set(wide, undefined);
    for (const cause of alike) {
      const group = this.#groups.get(cause)!;
      this.#groups.delete(cause);
      this.#put(wide, { ...group, reason: wide });
    }
  }

  #put(cause: string, group: Group): void {
    const there = this.#groups.get(cause);
    if (there === undefined) {
      this.#groups.set(cause, group);
      return;
    }
    there.count += group.count;
    for (const name of group.in) there.in.add(name);
    there.firstAt = Math.min(there.firstAt, group.firstAt);
    if (group.lastAt <= there.lastAt) return;
    there.lastAt = group.lastAt;
    there.example = group.example;
  }
}
