/**
 * Reads stored events from the newest to the oldest, page by page: one topic by seq, or several
 * merged by timestamp. As forwards, nothing stays open between pages, and a reader costs one page
 * per topic, whatever lies before it.
 */
import type { StoredEvent } from "../event/event.ts";
import { PagesBack } from "../store/pages_back.ts";
import { type JournalStore, PAGE_BYTES } from "../store/store.ts";
import {
  compareEvents,
  EMPTY,
  linesOf,
  PAGE,
  type Range,
  type Reading,
  type ReplayQuery,
  select,
  SMALLEST_PAGE,
} from "./replay.ts";

/** Reads the ranges as bytes, one page at a time, each newest first. A page may be empty. */
export function* replayBack(
  store: JournalStore,
  query: ReplayQuery,
): Generator<Uint8Array, void, undefined> {
  const { ranges, render = linesOf, onMissed } = query;
  const limit = Math.max(SMALLEST_PAGE, Math.floor(PAGE / Math.max(1, ranges.length)));
  const cursors = ranges.map((range) => new CursorBack(store, range, { ...query, limit }));
  let left = query.limit ?? Infinity;
  for (const page of merged(cursors)) {
    if (left <= 0) return;
    const events = page.slice(0, left);
    left -= events.length;
    yield events.length > 0 ? render(events) : EMPTY;
  }
  if (left > 0) { for (const cursor of cursors) cursor.tellMissed(onMissed); }
}

function* merged(cursors: readonly CursorBack[]): Generator<StoredEvent[], void, undefined> {
  const live: CursorBack[] = [];
  for (const cursor of cursors) {
    while (!cursor.load()) yield [];
    if (cursor.head) live.push(cursor);
  }
  let out: StoredEvent[] = [];
  let bytes = 0;
  while (live.length > 0) {
    let last = 0;
    for (let i = 1; i < live.length; i++) {
      if (compareEvents(live[i]!.head!, live[last]!.head!) > 0) last = i;
    }
    const cursor = live[last]!;
    const event = cursor.take();
    out.push(event);
    bytes += event.payload.length;
    if (out.length >= PAGE || bytes >= PAGE_BYTES) {
      yield out;
      out = [];
      bytes = 0;
    }
    if (cursor.head) continue;
    while (!cursor.load()) {
      yield out;
      out = [];
      bytes = 0;
    }
    if (!cursor.head) live.splice(last, 1);
  }
  yield out;
}

/** One topic's position in a merge. */
class CursorBack {
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
  load(): boolean {
    const page = this.#pages.next();
    this.#page = page ? select(page, this.#filter) : [];
    this.#at = 0;
    return page === undefined || this.#page.length > 0;
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
