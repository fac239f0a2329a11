/**
 * Finds events of a topic whose files are missing entirely. Segments follow each other without
 * gaps, and the head file records what retention deleted and where the newest segment begins. So a
 * missing segment shows up from its neighbours. Pure decisions, no I/O.
 */
import type { Found } from "../damage.ts";
import type { TopicHead } from "../store.ts";
import type { IndexBlock } from "./block.ts";
import { damageOf } from "./damage_log.ts";
import type { Head } from "./head.ts";
import { segmentFile, topicFolder } from "./layout.ts";

/** The seq range of a segment. */
export interface Span {
  firstSeq: number;
  /** `firstSeq - 1` if the segment is empty. */
  lastSeq: number;
}

/** The last seq that a topic's files know of, however much of them is left. */
export function lastKnown(head: Head, segments: readonly Span[]): number {
  const { newest = 0 } = head;
  const last = segments.at(-1);
  // A segment that exists may still be empty. If it is missing, at least its first seq was
  // assigned.
  return Math.max(head.lastSeq, last?.lastSeq ?? 0, last && last.firstSeq >= newest ? 0 : newest);
}

/** What is missing between the first seq to keep and the last one assigned. */
export function holesOf(
  topic: string,
  { head, segments, lastSeq }: { head: Head; segments: readonly Span[]; lastSeq: number },
): Found[] {
  const holes: Found[] = [];
  let next = head.firstSeq;
  const add = (last: number, what: string) => {
    if (next <= last) holes.push({ topic, firstSeq: next, lastSeq: last, what, lost: true });
  };
  for (const { firstSeq, lastSeq } of segments) {
    add(
      firstSeq - 1,
      `gone: no file has them, the next one is ${topicFolder(topic)}/${
        segmentFile(firstSeq, "ndjson")
      }`,
    );
    next = Math.max(next, lastSeq + 1);
  }
  add(
    lastSeq,
    "gone: the last file of the topic is missing or was cut; their numbers are not used again",
  );
  return holes;
}

/**
 * What is lost if seqs up to `lastSeq` are known to have been assigned; undefined if nothing is.
 */
export function raisedOver(topic: string, before: TopicHead, lastSeq: number): Found | undefined {
  // If no events are left, the topic simply begins after them.
  if (before.lastSeq >= lastSeq || before.firstSeq > before.lastSeq) return undefined;
  const what = "gone: the topic's files are older than what is known of it";
  return { topic, firstSeq: before.lastSeq + 1, lastSeq, what, lost: true };
}

/** What was lost from a segment that was repaired. */
export function lossesIn(topic: string, path: string, blocks: readonly IndexBlock[]): Found[] {
  return blocks.filter(({ damaged, count }) => damaged && count > 0)
    .map((block) => damageOf(topic, path, block));
}
