/** The query of `getEvents` on a store that reads by seq: by time and type, and from either end. */
import { assertObject, assertText } from "../base/options.ts";
import type { StoredEvent } from "../event/event.ts";
import { selects } from "./append.ts";
import { PagesBack } from "./pages_back.ts";
import type { EventReader } from "./reader.ts";
import type { EventQuery } from "./store.ts";

/** Events per page. */
const PAGE = 1024;

/** The selected events of a topic: oldest seq first, or newest. */
export function selectEvents(
  reader: EventReader,
  topic: string,
  query: EventQuery,
): StoredEvent[] {
  assertText(topic, "the name of a topic");
  assertObject(query, "the query of getEvents");
  const types = query.eventTypes?.length ? query.eventTypes : undefined;
  const limit = query.limit || Infinity;
  const found: StoredEvent[] = [];
  const pages = query.reverse ? pagesBack(reader, topic, types) : pagesOf(reader, topic, types);
  for (const events of pages) {
    for (const event of events) if (selects(query, event)) found.push(event);
    if (found.length >= limit) return found.slice(0, limit);
  }
  return found;
}

function* pagesOf(reader: EventReader, topic: string, types: string[] | undefined) {
  const { firstSeq, lastSeq: to } = reader.head(topic);
  for (let from = firstSeq; from <= to;) {
    const page = reader.readPage(topic, { from, to, limit: PAGE, types });
    yield page.events;
    from = page.next;
  }
}

function* pagesBack(reader: EventReader, topic: string, types: string[] | undefined) {
  const { firstSeq: from, lastSeq: to } = reader.head(topic);
  const pages = new PagesBack(reader, topic, { from, to, limit: PAGE, types });
  for (let events = pages.next(); events; events = pages.next()) yield events;
}
