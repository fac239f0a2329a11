/**
 * Reads stored events from the newest to the oldest, page by page: one topic by seq, or several
 * merged by timestamp. As forwards, nothing stays open between pages, and a reader costs one page
 * per topic, whatever lies before it.
 */
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { StoredEvent } from "../event/event.ts";
import { PagesBack } from "../store/pages_back.ts";
import type { JournalStore } from "../store/store.ts";
import {
  compareEvents,
  EMPTY,
  linesOf,
  type MergeCursor,
  mergedPages,
  PAGE,
  type Pages,
  type Range,
  type Reading,
  type ReplayQuery,
  select,
  SMALLEST_PAGE,
} from "./replay.ts";

/** Reads the ranges as bytes, one page at a time, each newest first. A page may be empty. */
export function* replayBack(store: JournalStore, query: ReplayQuery): Pages {
  const { ranges, render = linesOf, onMissed } = query;
  const limit = Math.max(SMALLEST_PAGE, Math.floor(PAGE / Math.max(1, ranges.length)));
  const cursors = ranges.map((range) => new CursorBack(store, range, { ...query, limit }));
  let left = query.limit ?? Infinity;
  for (const page of mergedPages(cursors, (a, b) => compareEvents(a, b) > 0)) {
    if (left <= 0) return;
    if (isPromise(page)) {
      yield page;
      continue;
    }
    const events = page.slice(0, left);
    left -= events.length;
    yield events.length > 0 ? render(events) : EMPTY;
  }
  if (left > 0) { for (const cursor of cursors) cursor.tellMissed(onMissed); }
}

/** One topic's position, from the newest event to the oldest. */
class CursorBack implements MergeCursor {
  /** What is gone is told at the end. */
  readonly isOvertaken = false;
  readonly #store: JournalStore;
  readonly #range: Range;
  readonly #filter: Reading["filter"];
  readonly #pages: PagesBack;
  #page: StoredEvent[] = [];
  #at = 0;

  constructor(
    store: JournalStore,
    range: Range,
    { types, filter, limit }: Omit<Reading, "ranges"> & { limit: number },
  ) {
    this.#store = store;
    this.#range = range;
    this.#filter = filter;
    this.#pages = new PagesBack(store, range.topic, { ...range, limit, types });
  }

  get head(): StoredEvent | undefined {
    return this.#page[this.#at];
  }

  take(): StoredEvent {
    return this.#page[this.#at++]!;
  }

  /** Reads one page; false if it had no match but there may be more. */
  load(): MaybePromise<boolean> {
    return whenReady(this.#pages.next(), (page) => {
      this.#page = page ? select(page, this.#filter) : [];
      this.#at = 0;
      return page === undefined || this.#page.length > 0;
    });
  }

  /** Reports the beginning of the range if it was deleted before the reader got there. */
  tellMissed(onMissed: Reading["onMissed"]): void {
    const { topic, from } = this.#range;
    const { firstSeq, lastSeq } = this.#store.head(topic);
    // The whole topic may be gone, and remember nothing.
    const gone = lastSeq < from ? this.#range.to : firstSeq - 1;
    const to = Math.min(gone, this.#range.to, this.#pages.to);
    if (to >= from) onMissed?.({ topic, from, to, count: to - from + 1 });
  }
}
