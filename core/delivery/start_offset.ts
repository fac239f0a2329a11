/** Where a subscription starts on a topic, or is moved to by a seek. */
import type { Clock } from "../base/clock.ts";
import { allReady, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
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

/** The seq that an offset means on a topic. */
export interface StartOffset {
  topic: string;
  seq: number;
}

/**
 * The seqs that an offset means on topics at this moment, at most the one after the last. One that
 * was asked for stays even if its event is gone, so that what is gone is counted as missed.
 */
export function resolveIn(
  { store, clock }: { store: JournalStore; clock: Pick<Clock, "now"> },
  topics: readonly string[],
  offset: Offset,
): MaybePromise<StartOffset[]> {
  const resolve = (topic: string) => {
    const head = store.head(topic);
    const start = startIn({ store, now: clock.now() }, topic, offset);
    return whenReady(start, (seq) => ({
      topic,
      seq: Math.min(Math.max(seq, 1), head.lastSeq + 1),
    }));
  };
  return afterRefresh(store, topics, () => allReady(topics.map(resolve)));
}

/** The seq that an offset means to a reader of a topic, by what this process knows. */
export function startIn(
  { store, now }: { store: JournalStore; now: number },
  topic: string,
  offset: Offset,
): MaybePromise<number> {
  return readerStart(offset, {
    head: store.head(topic),
    now,
    seekTime: (at, latest) => store.seekTime(topic, at, latest),
  });
}

/**
 * Where a reader of what is still to come begins, too: for `end`, that is what this process knows,
 * so that it gets what is published from this moment on. Other offsets mean what is stored.
 */
export function startsIn(
  { store, now }: { store: JournalStore; now(): number },
  topics: readonly string[],
  offset: Offset,
): MaybePromise<StartOffset[]> {
  const resolve = (topic: string) =>
    whenReady(startIn({ store, now: now() }, topic, offset), (seq) => ({ topic, seq }));
  const resolveAll = () => allReady(topics.map(resolve));
  return offset.kind === "end" ? resolveAll() : afterRefresh(store, topics, resolveAll);
}

function afterRefresh<T>(
  store: JournalStore,
  topics: readonly string[],
  next: () => MaybePromise<T>,
): MaybePromise<T> {
  return store.refresh && topics.length > 0 ? store.refresh(topics).then(next) : next();
}
