/** Damage that a store has found: it is reported and kept, and never delivered. */

/** Events of a topic that are damaged. */
export interface Damage {
  /** The topic of the damaged events. */
  topic: string;
  /** The first damaged seq. */
  firstSeq: number;
  /** The last damaged seq. */
  lastSeq: number;
  /** What is wrong. */
  what: string;
  /** True if these events cannot be delivered; false if only data about them was damaged. */
  lost: boolean;
  /** Unix ms. */
  foundAt: number;
  /** True once an operator has accepted it: `evs doctor --accept`. */
  accepted: boolean;
}

/** Damage that a read has found. */
export type Found = Pick<Damage, "topic" | "firstSeq" | "lastSeq" | "what" | "lost">;

/** Ranges of seqs, both ends inclusive, ascending and disjoint. */
export type SeqRanges = readonly (readonly [first: number, last: number])[];

/** True if a seq is in one of the ranges. */
export function inRanges(ranges: SeqRanges | undefined, seq: number): boolean {
  return ranges?.some(([first, last]) => first <= seq && seq <= last) ?? false;
}

/** How many of the seqs `from` to `to` are in the ranges. */
export function countIn(
  ranges: SeqRanges | undefined,
  { from, to }: { from: number; to: number },
): number {
  let count = 0;
  for (const [first, last] of ranges ?? []) {
    count += Math.max(0, Math.min(to, last) - Math.max(from, first) + 1);
  }
  return count;
}

/** Adds a range, merging those that touch. */
export function addRange(ranges: SeqRanges, added: readonly [number, number]): SeqRanges {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges, added].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** Describes damage in one sentence. */
export function damageText({ topic, firstSeq, lastSeq, what, lost }: Found): string {
  if (lastSeq === 0 || lastSeq < firstSeq) return `topic ${topic}: ${what}`;
  const where = firstSeq === lastSeq ? `event ${firstSeq}` : `events ${firstSeq} to ${lastSeq}`;
  const outcome = lost ? "not delivered" : "delivered intact";
  return `topic ${topic}, ${where}: ${what}; ${outcome}`;
}
