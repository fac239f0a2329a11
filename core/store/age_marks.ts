/**
 * When events were stored, as sparse marks: each is the first seq of a short period. The older they
 * are, the fewer are kept, so that a topic never has more than some hundreds.
 */

/**
 * Events from `seq` up to the next mark were stored within {@link SPACING_MS} after `at`, or
 * earlier.
 */
export interface AgeMark {
  seq: number;
  /** Unix ms, by an age clock. */
  at: number;
}

/** The shortest period, ms. */
export const SPACING_MS = 1000;
/** A period may be at most this share of its age. */
const SHARE = 1 / 32;
/** Above this number of marks they are thinned. */
export const MOST_MARKS = 640;

/** True if an event stored now begins a new period. */
export function beginsStretch(last: number | undefined, now: number): boolean {
  return last === undefined || now >= last + SPACING_MS;
}

/**
 * Thins marks: neighbours are merged if the period is small compared with their age. No event looks
 * older than it is.
 */
export function thinMarks(marks: readonly AgeMark[], now: number): AgeMark[] {
  const kept: AgeMark[] = [];
  for (const mark of marks) {
    const last = kept.at(-1);
    // The last mark's period began after the one before it, however often marks were merged.
    const before = kept.at(-2);
    if (last && before && mark.at - before.at <= (now - mark.at) * SHARE) last.at = mark.at;
    else kept.push({ ...mark });
  }
  return kept;
}

/**
 * The lowest seq that may have been stored at or after `since`; `lastSeq + 1` if there is none.
 * `lastAt`: when the last event was stored, if known.
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
    // From this moment on, nothing of the period was stored.
    const end = next ? Math.min(at + SPACING_MS, next.at) : (lastAt ?? at + SPACING_MS - 1) + 1;
    // Nothing is known from before the first mark: treat those events as equally new.
    if (end > since) return i === 0 ? Math.min(seq, firstSeq) : seq;
  }
  return lastSeq + 1;
}
