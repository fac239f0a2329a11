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
