/**
 * How old dead letters are, without a clock that may be wrong: marks say which of them were there
 * at which time. So a wall clock that jumps, or a time that an import gives, expires nothing early.
 * Pure.
 */
import type { DeadLetterKey, DeadLetterMark, RemovedDeadLetters } from "../state/state.ts";

/** The shortest period between two marks, ms. */
const SPACING_MS = 1000;
/** An entry may look younger than it is by this share of its age. */
const SHARE = 1 / 32;
/** Above this number, marks are thinned. */
const MOST = 640;

/**
 * The marks after a look at `now` (by an age clock), when `newest` was the number of the latest
 * entry; the same array if nothing changes.
 */
export function markSeen(
  marks: readonly DeadLetterMark[],
  { newest, now }: { newest: number; now: number },
): readonly DeadLetterMark[] {
  const last = marks.at(-1);
  if (newest <= (last?.number ?? 0)) return marks;
  // What has come meanwhile gets a later mark, and so looks younger than it is.
  if (last && now < last.at + SPACING_MS) return marks;
  const more = [...marks, { number: newest, at: now }];
  return more.length > MOST ? thin(more, now) : more;
}

/** Leaves out marks whose entries then look younger, by at most a share of their age. */
function thin(marks: readonly DeadLetterMark[], now: number): DeadLetterMark[] {
  const kept: DeadLetterMark[] = [];
  for (const mark of marks) {
    const before = kept.at(-2);
    if (before && mark.at - before.at <= (now - mark.at) * SHARE) kept.pop();
    kept.push(mark);
  }
  return kept;
}

/** The highest number of which every entry up to it has been there since `since`; 0: none. */
export function thereSince(marks: readonly DeadLetterMark[], since: number): number {
  return marks.findLast(({ at }) => at <= since)?.number ?? 0;
}

/**
 * Marks for entries that were there before anybody looked: as old as the time at which they died
 * says, but no older than an entry before them.
 */
export class MarkEstimate {
  readonly #now: number;
  #marks: readonly DeadLetterMark[] = [];
  #newest = 0;
  #at = -Infinity;

  constructor(now: number) {
    this.#now = now;
  }

  /** The next entries, by their numbers. */
  add(entries: Iterable<{ number: number; diedAt: number }>): void {
    for (const { number, diedAt } of entries) {
      const time = Math.max(this.#at, Math.min(diedAt, this.#now));
      // Entries of the same time share one mark.
      if (time > this.#at) {
        this.#marks = markSeen(this.#marks, { newest: this.#newest, now: this.#at });
      }
      [this.#newest, this.#at] = [number, time];
    }
  }

  get marks(): readonly DeadLetterMark[] {
    const isMarked = this.#newest <= (this.#marks.at(-1)?.number ?? 0);
    return isMarked ? this.#marks : [...this.#marks, { number: this.#newest, at: this.#at }];
  }
}

/** Why dead letters are removed. */
export type LimitReached = "expired" | "capped";

/** How many of each subscription and topic. */
export function removalsOf(
  keys: readonly DeadLetterKey[],
  { why, lastAt }: { why: LimitReached; lastAt: number },
): RemovedDeadLetters[] {
  const of = Map.groupBy(keys, ({ subscription, topic }) => `${subscription}\n${topic}`);
  return Array.from(of.values(), (some) => {
    const { subscription, topic } = some[0]!;
    return { subscription, topic, expired: 0, capped: 0, [why]: some.length, lastAt };
  });
}
