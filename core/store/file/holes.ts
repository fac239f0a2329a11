/**
 * Events of a topic whose files are gone as a whole. Segments follow each other without a gap, what
 * retention took stands in the topic's head, and so does where the newest segment begins: so a
 * segment that is missing is known by its neighbours. Decides only.
 */
import type { Found } from "../damage.ts";
import type { TopicHead } from "../store.ts";
import type { IndexBlock } from "./block.ts";
import { damageOf } from "./damage_log.ts";
import type { Head } from "./head.ts";
import { segmentFile, topicFolder } from "./layout.ts";

/** A segment as far as it counts here. */
export interface Span {
  firstSeq: number;
  /** `firstSeq - 1` for one that is empty. */
  lastSeq: number;
}

/** The last seq that a topic's files know of, whatever is left of them. */
export function lastKnown(head: Head, segments: readonly Span[]): number {
  const { newest = 0 } = head;
  const last = segments.at(-1);
  // One that is there may be empty yet: of one that is gone at least its first number was given.
  return Math.max(head.lastSeq, last?.lastSeq ?? 0, last && last.firstSeq >= newest ? 0 : newest);
}

/** What is missing between the first seq to keep and the last that was given. */
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

/** What is lost where numbers up to `lastSeq` are known to have been given; undefined: nothing. */
export function raisedOver(topic: string, before: TopicHead, lastSeq: number): Found | undefined {
  // Where nothing is left the topic begins behind it.
  if (before.lastSeq >= lastSeq || before.firstSeq > before.lastSeq) return undefined;
  const what = "gone: the topic's files are older than what is known of it";
  return { topic, firstSeq: before.lastSeq + 1, lastSeq, what, lost: true };
}

/** What was lost of a segment that was put in order. */
export function lossesIn(topic: string, path: string, blocks: readonly IndexBlock[]): Found[] {
  return blocks.filter(({ damaged, count }) => damaged && count > 0)
    .map((block) => damageOf(topic, path, block));
}
