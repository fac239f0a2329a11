/**
 * Retention: which events may be deleted. Always a prefix of a topic, never anything in the middle.
 */
import { type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { TopicHead } from "./store.ts";
import type { TopicOptions } from "../event/topic_options.ts";

/** What retention looks at. */
export interface RetentionView<Seq = MaybePromise<number>> {
  options: Pick<TopicOptions, "retentionPeriod" | "maxEvents" | "maxBytes">;
  head: TopicHead;
  /**
   * The lowest seq that may have been stored less than `age` ms ago; `lastSeq + 1` if there is
   * none.
   */
  seekAge(age: number): number;
  /** The lowest seq to keep so that at most this many bytes remain. */
  seekBytes(maxBytes: number): Seq;
}

/** The lowest seq to keep: `head.firstSeq` if nothing may be deleted. */
export function keepFrom(view: RetentionView<number>): number;
export function keepFrom(view: RetentionView): MaybePromise<number>;
export function keepFrom(
  { options, head, seekAge, seekBytes }: RetentionView,
): MaybePromise<number> {
  const isLarge = options.maxBytes > 0 && head.bytes > options.maxBytes;
  return whenReady(isLarge ? seekBytes(options.maxBytes) : head.firstSeq, (withinBytes) => {
    let keep = Math.max(head.firstSeq, withinBytes);
    if (options.maxEvents > 0) keep = Math.max(keep, head.lastSeq - options.maxEvents + 1);
    if (options.retentionPeriod > 0) keep = Math.max(keep, seekAge(options.retentionPeriod));
    return Math.min(keep, head.lastSeq + 1);
  });
}

/** True if a topic has any limit. */
export function isLimited(options: RetentionView["options"]): boolean {
  return options.maxEvents > 0 || options.maxBytes > 0 || options.retentionPeriod > 0;
}
