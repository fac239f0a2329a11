/**
 * When events were stored: sparse marks, each the first seq of a short stretch of time. The older
 * they are, the fewer are kept, so that a topic has some hundreds at most, however long it lives.
 */

/**
 * Events from `seq` up to the next mark were stored within {@link SPACING_MS} of `at`, or before.
 */
export interface AgeMark {
  seq: number;
  /** Unix ms, by an age clock. */
  at: number;
}

/** The shortest stretch, ms. */
export const SPACING_MS = 1000;
/** A stretch is at most this share of its age. */
const SHARE = 1 / 32;
/** With more marks than this they are thinned. */
export const MOST_MARKS = 640;

/** True where an event that is stored now begins a stretch of its own. */
export function beginsStretch(last: number | undefined, now: number): boolean {
  return last === undefined || now >= last + SPACING_MS;
}

/**
 * Fewer marks: neighbours become one where that is little beside their age. Nothing seems older
 * than it is.
 */
export function thinMarks(marks: readonly AgeMark[], now: number): AgeMark[] {
  const kept: AgeMark[] = [];
  for (const mark of marks) {
    const last = kept.at(-1);
    // The stretch of the last began behind the one before it: that is known however often marks
    // were joined.
    const before = kept.at(-2);
    if (last && before && mark.at - before.at <= (now - mark.at) * SHARE) last.at = mark.at;
    else kept.push({ ...mark });
  }
  return kept;
}

/**
 * The lowest seq that may have been stored at or after `since`; `lastSeq + 1` when none was.
 * `lastAt`: when the last event was stored, where that is known.
 */
export function seekMarks(
  marks: readonly AgeMark[],
  { since, lastAt, firstSeq, lastSeq }: {
    since: number;
    lastAt: number | undefined;
    firstSeq: number;
    lastSeq: number;
  },
): number {
  for (const [i, { seq, at }] of marks.entries()) {
    const next = marks[i + 1];
    // The first moment at which nothing of the stretch was stored any more.
    const end = next ? Math.min(at + SPACING_MS, next.at) : (lastAt ?? at + SPACING_MS - 1) + 1;
    // Nothing is known of what is before the first mark: it is as young as that.
    if (end > since) return i === 0 ? Math.min(seq, firstSeq) : seq;
  }
  return lastSeq + 1;
}
