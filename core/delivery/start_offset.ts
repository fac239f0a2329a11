/** Where a subscription starts on a topic, or is moved to by a seek. */
import type { Clock } from "../base/clock.ts";
import type { JournalStore } from "../store/store.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import { isTopicless, type Offset, parseOffset, readerStart } from "../event/offset.ts";
import { isPattern } from "../event/topic_options.ts";

/** Parses the offset, and refuses one that is meaningless for a pattern. */
export function offsetFor(topic: string, text: string): Offset {
  const offset = parseOffset(text);
  if (isPattern(topic) && !isTopicless(offset)) {
    throw new InvalidArgumentError(
      `${text} means nothing on a pattern: each topic has numbers of its own`,
      {
        hint: "use start, end, @2026-11-23T10:00:00Z or @-1h",
        details: { offset: text, topic },
      },
    );
  }
  return offset;
}

/**
 * The seq that an offset means on a topic at this moment, at most the one after the last. One that
 * was asked for stays even if its event is gone, so that what is gone is counted as missed.
 */
export function resolveIn(
  { store, clock }: { store: JournalStore; clock: Clock },
  topic: string,
  offset: Offset,
): number {
  const head = store.head(topic);
  const seq = readerStart(offset, {
    head,
    now: clock.now(),
    seekTime: (at, latest) => store.seekTime(topic, at, latest),
  });
  return Math.min(Math.max(seq, 1), head.lastSeq + 1);
}
