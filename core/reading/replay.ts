/**
 * Reads stored events in order, page by page: one topic by seq, or several merged by timestamp,
 * then topic, then seq. Nothing stays open between pages, so a reader may take as long as it likes.
 */
import { type StoredEvent, toFilterEvent, toWireLine } from "../event/event.ts";
import { arrived, isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { Filter } from "../filter/filter.ts";
import type { Missed } from "./missed.ts";
import { lineFilter } from "./line_filter.ts";
import { concat } from "../base/bytes.ts";
import type { EventReader } from "../store/reader.ts";
import { type JournalStore, type Page, PAGE_BYTES } from "../store/store.ts";

/** What a replay reads from. */
export type Readable = Pick<EventReader, "head" | "readPage" | "readLines">;

/** The events of one topic to read; both ends inclusive. */
export interface Range {
  topic: string;
  from: number;
  to: number;
}

/** Which of them to select. */
export interface Selection {
  types?: readonly string[];
  /** Matches on the contents of an event; the expensive way. */
  filter?: Filter;
}

/** Serializes events for sending. Absent: wire lines, which a store may build faster itself. */
export type Render = (events: readonly StoredEvent[]) => Uint8Array;

/** How many events one step looks at; bounds how long others have to wait. */
export const PAGE = 1024;
/** The same without a selection: a store returns its lines as stored, and the page ends by size. */
const PAGE_OF_LINES = 4096;
/** The smallest page per topic when many are merged. */
export const SMALLEST_PAGE = 16;

/** What to read. */
export interface Reading extends Selection {
  ranges: readonly Range[];
  /** Called with events that were deleted before they were read. */
  onMissed?: (missed: Missed) => void;
}

/** What to read, how much of it, and in which form. */
export interface ReplayQuery extends Reading {
  limit?: number | undefined;
  render?: Render;
}

/** Pages as bytes, one at a time; a promise among them is for the reader to wait for. */
export type Pages = Generator<Uint8Array | Promise<void>, void, undefined>;

/** Reads the ranges as bytes, one page at a time. */
export function* replay(store: Readable, query: ReplayQuery): Pages {
  const { ranges, render } = query;
  const only = ranges[0];
  if (ranges.length === 1 && only && !render && query.limit === undefined) {
    yield* rawLines(store, only, query);
    return;
  }
  const print = render ?? linesOf;
  let left = query.limit ?? Infinity;
  const limit = Math.max(SMALLEST_PAGE, Math.floor(PAGE / Math.max(1, ranges.length)));
  const cursors = ranges.map((range) => new Cursor(store, range, { ...query, limit }));
  for (const page of mergedPages(cursors, (a, b) => compareEvents(a, b) < 0)) {
    if (left <= 0) return;
    if (isPromise(page)) {
      yield page;
      continue;
    }
    const events = page.slice(0, left);
    left -= events.length;
    yield events.length > 0 ? print(events) : EMPTY;
  }
}

/** A page without a match. */
export const EMPTY = new Uint8Array(0);

/** Serializes events as wire lines. */
export function linesOf(events: readonly StoredEvent[]): Uint8Array {
  return events.length === 0 ? EMPTY : concat(events.map(toWireLine));
}

/** Keeps the events that match the filter. */
export function select(events: StoredEvent[], filter: Selection["filter"]): StoredEvent[] {
  return filter ? events.filter((event) => filter(toFilterEvent(event))) : events;
}

/** How far the beginning of a range is gone: its last seq that is, `from - 1` where none is. */
function lastGone(store: Readable, { topic, from, to }: Range): number {
  const { firstSeq, lastSeq } = store.head(topic);
  // The whole topic may be gone, and remember nothing.
  return lastSeq < from ? to : Math.min(Math.max(firstSeq, from) - 1, to);
}

/** Where to go on: behind what is gone, which is told. */
function pastMissed(store: Readable, range: Range, onMissed: Reading["onMissed"]): number {
  const { topic, from } = range;
  const last = onMissed === undefined ? from - 1 : lastGone(store, range);
  if (last >= from) onMissed?.({ topic, from, to: last, count: last - from + 1 });
  return last + 1;
}

function* rawLines(store: Readable, range: Range, { types, filter, onMissed }: Reading): Pages {
  const keep = filter && lineFilter(filter);
  const limit = types || filter ? PAGE : PAGE_OF_LINES;
  let from = range.from;
  while (from <= range.to) {
    from = pastMissed(store, { ...range, from }, onMissed);
    if (from > range.to) return;
    const read = store.readLines(range.topic, { from, to: range.to, limit, types });
    const page = yield* arrived(read);
    // What was deleted while the page was under way is not in it: it is told, and the rest read again.
    if (isPromise(read) && onMissed && lastGone(store, { ...range, from }) >= from) continue;
    from = page.next;
    yield keep ? keep(page.bytes) : page.bytes;
  }
}

/** One topic's position in a merge. */
export interface MergeCursor {
  readonly head: StoredEvent | undefined;
  take(): StoredEvent;
  /** Reads one page; false if it had no match but there may be more. */
  load(): MaybePromise<boolean>;
  /** The next events to read are deleted. */
  readonly isOvertaken: boolean;
}

/**
 * Pages of events in merged order; `isBefore` tells which of two comes first. A page may be empty,
 * to give others a turn.
 */
export function* mergedPages(
  cursors: readonly MergeCursor[],
  isBefore: (a: ReadPosition, b: ReadPosition) => boolean,
): Generator<StoredEvent[] | Promise<void>, void, undefined> {
  const live: MergeCursor[] = [];
  for (const cursor of cursors) {
    while (!(yield* arrived(cursor.load()))) yield [];
    if (cursor.head) live.push(cursor);
  }
  let out: StoredEvent[] = [];
  let bytes = 0;
  while (live.length > 0) {
    let first = 0;
    for (let i = 1; i < live.length; i++) {
      if (isBefore(live[i]!.head!, live[first]!.head!)) first = i;
    }
    const cursor = live[first]!;
    const event = cursor.take();
    out.push(event);
    bytes += event.payload.length;
    if (out.length >= PAGE || bytes >= PAGE_BYTES) {
      yield out;
      out = [];
      bytes = 0;
    }
    if (cursor.head) continue;
    // What was read before a gap goes out before the gap is told.
    if (cursor.isOvertaken && out.length > 0) {
      yield out;
      out = [];
      bytes = 0;
    }
    while (!(yield* arrived(cursor.load()))) {
      yield out;
      out = [];
      bytes = 0;
    }
    if (!cursor.head) live.splice(first, 1);
  }
  yield out;
}

/** The position of an event in a merged replay. */
export type ReadPosition = Pick<StoredEvent, "timestamp" | "topic" | "seq">;

/** The order of a merged replay. */
export function compareEvents(a: ReadPosition, b: ReadPosition): number {
  return a.timestamp - b.timestamp ||
    (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.seq - b.seq);
}

/** One topic's position, from the oldest event to the newest. */
class Cursor implements MergeCursor {
  readonly #store: Readable;
  readonly #range: Range;
  readonly #query: Omit<Reading, "ranges"> & { limit: number };
  #next: number;
  #page: StoredEvent[] = [];
  #at = 0;

  constructor(
    store: Readable,
    range: Range,
    query: Omit<Reading, "ranges"> & { limit: number },
  ) {
    this.#store = store;
    this.#range = range;
    this.#query = query;
    this.#next = range.from;
  }

  get head(): StoredEvent | undefined {
    return this.#page[this.#at];
  }

  /** The next events to read are deleted. */
  get isOvertaken(): boolean {
    const from = this.#next;
    return from <= this.#range.to && lastGone(this.#store, { ...this.#range, from }) >= from;
  }

  take(): StoredEvent {
    return this.#page[this.#at++]!;
  }

  /** Reads one page; false if it had no match but there may be more. */
  load(): MaybePromise<boolean> {
    if (this.#next > this.#range.to) return true;
    const { limit, types, onMissed } = this.#query;
    this.#next = pastMissed(this.#store, { ...this.#range, from: this.#next }, onMissed);
    if (this.#next > this.#range.to) return true;
    const page = this.#store.readPage(this.#range.topic, {
      from: this.#next,
      to: this.#range.to,
      limit,
      types,
    });
    // What was deleted while the page was under way is not in it: it is told, and the rest read again.
    return isPromise(page)
      ? page.then((page) => onMissed && this.isOvertaken ? this.load() : this.#accept(page))
      : this.#accept(page);
  }

  #accept({ events, next }: Page): boolean {
    this.#next = next;
    this.#page = select(events, this.#query.filter);
    this.#at = 0;
    return this.#page.length > 0 || this.#next > this.#range.to;
  }
}

/** The ranges containing the last `count` selected events, counted over all topics together. */
export function* lastOf(
  store: JournalStore,
  query: Selection & { topics: readonly string[]; count: number },
): Generator<void | Promise<void>, Range[], undefined> {
  const selects = query.types !== undefined || query.filter !== undefined;
  const [only] = query.topics;
  if (only !== undefined && query.topics.length === 1 && !selects) {
    const { firstSeq, lastSeq } = store.head(only);
    return [{ topic: only, from: Math.max(firstSeq, lastSeq - query.count + 1), to: lastSeq }];
  }
  const found: ReadPosition[] = [];
  for (const topic of query.topics) {
    const { firstSeq, lastSeq } = store.head(topic);
    let left = query.count;
    let later = Infinity;
    for (let to = lastSeq; to >= firstSeq && left > 0;) {
      // Without a selection, read exactly what is needed.
      const span = selects ? PAGE : Math.min(PAGE, left);
      const from = Math.max(firstSeq, to - span + 1);
      const places: ReadPosition[] = [];
      for (let at = from; at <= to;) {
        const page = yield* arrived(
          store.readPage(topic, { from: at, to, limit: span, types: query.types }),
        );
        // Keep only the positions: the events may be large, and the count comes from the client.
        for (const { timestamp, seq } of select(page.events, query.filter)) {
          places.push({ timestamp, topic, seq });
        }
        at = page.next;
        yield undefined;
      }
      const last = places.slice(-left);
      for (const place of last.toReversed()) {
        // Whatever its timestamp, it comes before those after it: what is kept of a topic is its end.
        later = Math.min(later, place.timestamp);
        found.push({ ...place, timestamp: later });
      }
      left -= last.length;
      to = from - 1;
    }
  }
  const kept = found.sort(compareEvents).slice(-query.count);
  return query.topics.map((topic) => {
    const { lastSeq } = store.head(topic);
    const seqs = kept.filter((event) => event.topic === topic).map((event) => event.seq);
    const from = seqs.length > 0 ? seqs.reduce((a, b) => Math.min(a, b)) : lastSeq + 1;
    return { topic, from, to: lastSeq };
  });
}
