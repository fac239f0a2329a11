/** What a store found damaged: told, kept, never handed out. */

/** Events of a topic that are not as they were written. */
export interface Damage {
  /** Whose events are damaged. */
  topic: string;
  /** The first and the last seq of it. */
  firstSeq: number;
  /** The last seq of them. */
  lastSeq: number;
  /** What is wrong, in words. */
  what: string;
  /**
   * True when these events cannot be handed out; false when only something beside them was damaged.
   */
  lost: boolean;
  /** Unix ms. */
  foundAt: number;
  /** True when somebody has taken note of it: `evs doctor --accept`. */
  accepted: boolean;
}

/** What a read has found. */
export type Found = Pick<Damage, "topic" | "firstSeq" | "lastSeq" | "what" | "lost">;

/** Seqs as ranges, both ends inclusive, ascending and apart. */
export type SeqRanges = readonly (readonly [first: number, last: number])[];

/** True when a seq is in one of the ranges. */
export function inRanges(ranges: SeqRanges | undefined, seq: number): boolean {
  return ranges?.some(([first, last]) => first <= seq && seq <= last) ?? false;
}

/** How many seqs of `from..to` are in the ranges. */
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

/** The ranges and one more, merged where they touch. */
export function addRange(ranges: SeqRanges, added: readonly [number, number]): SeqRanges {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges, added].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** A damage in one sentence. */
export function damageText({ topic, firstSeq, lastSeq, what, lost }: Found): string {
  if (lastSeq === 0 || lastSeq < firstSeq) return `topic ${topic}: ${what}`;
  const where = firstSeq === lastSeq ? `event ${firstSeq}` : `events ${firstSeq} to ${lastSeq}`;
  const outcome = lost ? "not handed out" : "handed out whole";
  return `topic ${topic}, ${where}: ${what}; ${outcome}`;
}
