/**
 * Reads the events of one key from any store with sequence numbers: through its index if it has
 * one, else by scanning.
 */
import { sizeOf } from "./append.ts";
import type { EventReader } from "./reader.ts";
import { type KeyQuery, type Page, PAGE_BYTES } from "./store.ts";

/** Events per scanned page. */
const PAGE = 1000;

/** A page of a key's events, oldest first. */
export function readKey(store: EventReader, topic: string, query: KeyQuery): Page {
  if (store.readKey) return store.readKey(topic, query);
  const { key, to, limit } = query;
  const events: Page["events"] = [];
  let bytes = 0;
  let from = query.from;
  const last = Math.min(to, store.head(topic).lastSeq);
  while (from <= last) {
    const page = store.readPage(topic, { from, to: last, limit: PAGE });
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
