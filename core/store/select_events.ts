/** The query of `getEvents` on a store that reads by seq: by time and type, and from either end. */
import { assertObject, assertText } from "../base/options.ts";
import { arrived, isPromise, type MaybePromise, resultOf } from "../base/maybe_promise.ts";
import type { StoredEvent } from "../event/event.ts";
import { selects } from "./append.ts";
import { PagesBack } from "./pages_back.ts";
import type { EventReader, SyncEventReader } from "./reader.ts";
import type { EventQuery } from "./store.ts";

/** Events per page. */
const PAGE = 1024;

/** The selected events of a topic: oldest seq first, or newest. */
export function selectEvents(
  reader: SyncEventReader,
  topic: string,
  query: EventQuery,
): StoredEvent[];
export function selectEvents(
  reader: EventReader,
  topic: string,
  query: EventQuery,
): MaybePromise<StoredEvent[]>;
export function selectEvents(
  reader: EventReader,
  topic: string,
  query: EventQuery,
): MaybePromise<StoredEvent[]> {
  assertText(topic, "the name of a topic");
  assertObject(query, "the query of getEvents");
  return resultOf(selectSteps(reader, topic, query));
}

function* selectSteps(
  reader: EventReader,
  topic: string,
  query: EventQuery,
): Generator<Promise<void>, StoredEvent[], undefined> {
  const types = query.eventTypes?.length ? query.eventTypes : undefined;
  const limit = query.limit || Infinity;
  const found: StoredEvent[] = [];
  const pages = query.reverse ? pagesBack(reader, topic, types) : pagesOf(reader, topic, types);
  for (const events of pages) {
    if (isPromise(events)) {
      yield events;
      continue;
    }
    for (const event of events) if (selects(query, event)) found.push(event);
    if (found.length >= limit) return found.slice(0, limit);
  }
  return found;
}

type Pages = Generator<StoredEvent[] | Promise<void>, void, undefined>;

function* pagesOf(reader: EventReader, topic: string, types: string[] | undefined): Pages {
  const { firstSeq, lastSeq: to } = reader.head(topic);
  for (let from = firstSeq; from <= to;) {
    const page = yield* arrived(reader.readPage(topic, { from, to, limit: PAGE, types }));
    yield page.events;
    from = page.next;
  }
}

function* pagesBack(reader: EventReader, topic: string, types: string[] | undefined): Pages {
  const { firstSeq: from, lastSeq: to } = reader.head(topic);
  const pages = new PagesBack(reader, topic, { from, to, limit: PAGE, types });
  for (;;) {
    const events = yield* arrived(pages.next());
    if (!events) return;
    yield events;
  }
}
