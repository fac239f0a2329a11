/** Groups dead letters by cause: a few lines instead of hundreds of entries. */
import type { DeadLetterGroup } from "../protocol/protocol.ts";
import type { DeadLetterRecord } from "../state/state.ts";
import { foldReason, foldReasonWholly } from "../state/reason.ts";

/** Most causes that are kept apart; further ones share a group. */
const MOST = 1000;
/** The name of that group. */
const REST = "*";
/**
 * Up to this many causes may differ only in a word or a code; with more, that part is data, such as
 * names or short ids.
 */
const MOST_ALIKE = 20;

type Group = DeadLetterGroup & { in: Set<string> };

/** Counts entries by what their reasons have in common. */
export class CauseCounter {
  readonly #groups = new Map<string, Group>();
  /**
   * Groups that differ only in a word or a code; undefined once there are too many, and they are
   * merged into one group of that name.
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

  /** The groups, largest first. */
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
