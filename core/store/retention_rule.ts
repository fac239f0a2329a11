/**
 * Retention: which events may be deleted. Always a prefix of a topic, never anything in the middle.
 */
import type { TopicHead } from "./store.ts";
import type { TopicOptions } from "../event/topic_options.ts";

/** What retention looks at. */
export interface RetentionView {
  options: Pick<TopicOptions, "retentionPeriod" | "maxEvents" | "maxBytes">;
  head: TopicHead;
  /**
   * The lowest seq that may have been stored less than `age` ms ago; `lastSeq + 1` if there is
   * none.
   */
  seekAge(age: number): number;
  /** The lowest seq to keep so that at most this many bytes remain. */
  seekBytes(maxBytes: number): number;
}

/** The lowest seq to keep: `head.firstSeq` if nothing may be deleted. */
export function keepFrom({ options, head, seekAge, seekBytes }: RetentionView): number {
  let keep = head.firstSeq;
  if (options.maxEvents > 0) keep = Math.max(keep, head.lastSeq - options.maxEvents + 1);
  if (options.maxBytes > 0 && head.bytes > options.maxBytes) {
    keep = Math.max(keep, seekBytes(options.maxBytes));
  }
  if (options.retentionPeriod > 0) keep = Math.max(keep, seekAge(options.retentionPeriod));
  return Math.min(keep, head.lastSeq + 1);
}

/** True if a topic has any limit. */
export function isLimited(options: RetentionView["options"]): boolean {
  return options.maxEvents > 0 || options.maxBytes > 0 || options.retentionPeriod > 0;
}
