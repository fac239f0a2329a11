/** The query of `getEvents` on PostgreSQL: by time and type, and from either end. */
import { assertObject, assertText } from "../../base/options.ts";
import type { StoredEvent } from "../../event/event.ts";
import type { TopicHead } from "../../event/topic_head.ts";
import { selects } from "../append.ts";
import type { EventQuery, Page, PageQuery } from "../store.ts";

/** Events per page. */
const PAGE = 1024;

/** What is read from. */
interface Pages {
  head(topic: string): TopicHead;
  readPage(topic: string, query: PageQuery): Promise<Page>;
}

/** The selected events of a topic: oldest seq first, or newest. */
export async function selectRows(
  reader: Pages,
  topic: string,
  query: EventQuery,
): Promise<StoredEvent[]> {
  assertText(topic, "the name of a topic");
  assertObject(query, "the query of getEvents");
  const types = query.eventTypes?.length ? query.eventTypes : undefined;
  const limit = query.limit || Infinity;
  const found: StoredEvent[] = [];
  const pages = query.reverse ? pagesBack(reader, topic, types) : pagesOf(reader, topic, types);
  for await (const events of pages) {
    for (const event of events) if (selects(query, event)) found.push(event);
    if (found.length >= limit) return found.slice(0, limit);
  }
  return found;
}

async function* pagesOf(reader: Pages, topic: string, types: string[] | undefined) {
  const { firstSeq, lastSeq: to } = reader.head(topic);
  for (let from = firstSeq; from <= to;) {
    const page = await reader.readPage(topic, { from, to, limit: PAGE, ...types && { types } });
    yield page.events;
    from = page.next;
  }
}

async function* pagesBack(reader: Pages, topic: string, types: string[] | undefined) {
  const { firstSeq, lastSeq } = reader.head(topic);
  let span = PAGE;
  for (let to = lastSeq; to >= firstSeq;) {
    const from = Math.max(firstSeq, to - span + 1);
    const page = await reader.readPage(topic, { from, to, limit: PAGE, ...types && { types } });
    if (page.next <= to) {
      // The bytes of a page are used up: the events at the end are what was wanted.
      span = Math.ceil((to - from + 1) / 2);
      continue;
    }
    to = from - 1;
    span = Math.min(PAGE, span * 2);
    yield page.events.reverse();
  }
}
