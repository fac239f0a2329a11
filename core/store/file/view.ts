/**
 * What is known of each topic without reading its events. Plain data, because it is sent from the
 * writer's thread to the reader's.
 */
import type { IndexBlock, IndexHeader } from "./block.ts";

/** One segment. */
export type SegmentInfo = Omit<IndexHeader, "createdAt" | "lost">;

/** One topic. */
export interface TopicView {
  name: string;
  firstSeq: number;
  lastSeq: number;
  bytes: number;
  /** Oldest first; only the last may be open. */
  segments: SegmentInfo[];
}

/** A topic after a change, and the new blocks of its last segment. */
export interface TopicChange {
  view: TopicView;
  blocks: IndexBlock[];
  /** The first seq of a segment whose files were replaced. */
  replaced?: number | undefined;
}

/** A change as it is sent: its segments begin with the first that was not told before. */
export interface ToldChange extends TopicChange {
  /** How many segments before those are as they were. */
  same: number;
}

/**
 * What was told of each topic so far. A topic that is kept for long has hundreds of segments, of
 * which an append changes the last.
 */
export class ToldViews {
  readonly #segments = new Map<string, readonly SegmentInfo[]>();

  /** The change without what was told before. Changes must be sent in the order of these calls. */
  tell(change: TopicChange): ToldChange {
    const { view } = change;
    const told = this.#segments.get(view.name) ?? [];
    let same = 0;
    // A segment that changes becomes another object.
    while (same < told.length && told[same] === view.segments[same]) same++;
    // Of one segment there is nothing to leave out: most of many topics have no more.
    if (view.segments.length > 1) this.#segments.set(view.name, view.segments);
    else this.#segments.delete(view.name);
    return { ...change, view: { ...view, segments: view.segments.slice(same) }, same };
  }
}

/** The view that a change was told of; `before`: the one that was known. */
export function viewOfTold({ view, same }: ToldChange, before: TopicView | undefined): TopicView {
  if (same === 0) return view;
  return { ...view, segments: [...before!.segments.slice(0, same), ...view.segments] };
}

/** The index of the last item that begins at or before `seq`; -1 if all begin after it. */
export function indexOfSeq(items: readonly { firstSeq: number }[], seq: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle]!.firstSeq <= seq) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A segment that starts at this seq and has no events yet. */
export function emptySegment(firstSeq: number): SegmentInfo {
  return {
    firstSeq,
    lastSeq: firstSeq - 1,
    end: 0,
    size: 0,
    maxTimestamp: -Infinity,
    minIdTime: Infinity,
    maxIdTime: -Infinity,
    storedAt: 0,
    sealed: false,
  };
}

/** The segment with these blocks appended. */
export function grow(
  segment: SegmentInfo,
  blocks: readonly IndexBlock[],
  lastSeq: number,
): SegmentInfo {
  const grown = { ...segment, lastSeq };
  for (const block of blocks) {
    grown.end = block.end;
    grown.maxTimestamp = Math.max(grown.maxTimestamp, block.maxTimestamp);
    grown.minIdTime = Math.min(grown.minIdTime, block.minIdTime);
    grown.maxIdTime = Math.max(grown.maxIdTime, block.maxIdTime);
    grown.storedAt = Math.max(grown.storedAt, block.storedAt);
  }
  return grown;
}
