/**
 * Reads the events of one key from any store with sequence numbers: through its index if it has
 * one, else by scanning.
 */
import { arrived, type MaybePromise, resultOf } from "../base/maybe_promise.ts";
import type { StoredEvent } from "../event/event.ts";
import { sizeOf } from "./append.ts";
import { PagesBack } from "./pages_back.ts";
import type { EventReader, SyncEventReader } from "./reader.ts";
import { type KeyQuery, type Page, PAGE_BYTES } from "./store.ts";

/** Events per scanned page. */
const PAGE = 1000;

/** A page of a key's events, oldest first. */
export function readKey(store: SyncEventReader, topic: string, query: KeyQuery): Page;
export function readKey(store: EventReader, topic: string, query: KeyQuery): MaybePromise<Page>;
export function readKey(store: EventReader, topic: string, query: KeyQuery): MaybePromise<Page> {
  return store.readKey?.(topic, query) ?? resultOf(scanForKey(store, topic, query));
}

function* scanForKey(
  store: EventReader,
  topic: string,
  query: KeyQuery,
): Generator<Promise<void>, Page, undefined> {
  const { key, to, limit } = query;
  const events: Page["events"] = [];
  let bytes = 0;
  let from = query.from;
  const last = Math.min(to, store.head(topic).lastSeq);
  while (from <= last) {
    const page = yield* arrived(store.readPage(topic, { from, to: last, limit: PAGE, key }));
    for (const event of page.events) {
      if (event.key !== key) continue;
      events.push(event);
      bytes += sizeOf(event);
      if (events.length >= limit || bytes >= PAGE_BYTES) return { events, next: event.seq + 1 };
    }
    from = page.next;
  }
  return { events, next: to + 1 };
}

/**
 * The newest event of these keys; undefined if they have none. A step is one page that was looked
 * through, or one to wait for: a store without an index for that has to be read backwards.
 */
export function* newestOfKey(
  store: EventReader,
  topic: string,
  keys: readonly string[],
): Generator<void | Promise<void>, StoredEvent | undefined, undefined> {
  if (store.refresh) yield store.refresh([topic]);
  let newest: StoredEvent | undefined;
  for (const key of keys) {
    newest = (yield* newestAfter(store, topic, { key, after: newest?.seq ?? 0 })) ?? newest;
  }
  return newest;
}

function* newestAfter(
  store: EventReader,
  topic: string,
  { key, after }: { key: string; after: number },
): Generator<void | Promise<void>, StoredEvent | undefined, undefined> {
  const { firstSeq, lastSeq } = store.head(topic);
  const from = Math.max(firstSeq, after + 1);
  const to = (yield* arrived(store.lastSeqOfKey?.(topic, key))) ?? lastSeq;
  if (to < from) return undefined;
  const { events: [event] } = yield* arrived(store.readPage(topic, { from: to, to, limit: 1 }));
  if (event?.key === key) return event;
  // Without an index, or if the event that it names is damaged.
  const pages = new PagesBack(store, topic, { from, to: to - 1, limit: PAGE, key });
  for (;;) {
    const events = yield* arrived(pages.next());
    const found = events?.find((one) => one.key === key);
    if (found || !events) return found;
    yield undefined;
  }
}
