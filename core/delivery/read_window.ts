/** The window of events that are read ahead of the consumers, and the pages that fill it. */
import { type Event, type NewEvent, type StoredEvent, toFilterEvent } from "../event/event.ts";
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import { isInParts, type PartSelection } from "../event/part.ts";
import { select, type Selection } from "../reading/replay.ts";
import { commitEvents } from "../reading/commit_lines.ts";
import type { Commit } from "../store/journal.ts";
import type { JournalStore, LinePage, Page, PageQuery, TopicHead } from "../store/store.ts";
import type { TopicLane } from "./entry.ts";
import { type WireEvent, wireEvents } from "./wire_event.ts";

/** Limits of events and bytes that are read ahead. */
export const WINDOW = { events: 1000, bytes: 4 * 1024 * 1024 };
/** The size of a block of the store, because whole blocks are read at once. */
const PAGE = { events: 1024, bytes: 2 * 1024 * 1024 };
/** Pages that are read before other work gets a turn. */
export const PAGES_A_TURN = 4;

/** A page as a queue is fed with it. */
export interface EventPage {
  events: (StoredEvent | WireEvent)[];
  /** Where to read on. */
  next: number;
}

/** How many events of a topic to read at once: fewer if they are large. */
function pageLimit({ firstSeq, lastSeq, bytes }: TopicHead): number {
  const mean = Math.max(1, bytes / Math.max(1, lastSeq - firstSeq + 1));
  return Math.max(1, Math.min(PAGE.events, Math.floor(PAGE.bytes / mean)));
}

/** The next page of a topic's existing events that pass the settings and the filter. */
export function readNext(
  store: JournalStore,
  { topic, readNext: from }: TopicLane,
  wanted: {
    head: TopicHead;
    /** The last seq to read. */
    to: number;
    eventTypes: readonly string[];
    filter: ((event: Event) => boolean) | undefined;
    /** Only events of these parts; absent: of all. */
    parts?: PartSelection | undefined;
  },
): MaybePromise<EventPage> {
  const { head, to, eventTypes, filter, parts } = wanted;
  const query = {
    from,
    to,
    limit: pageLimit(head),
    ...(eventTypes.length > 0 ? { types: [...eventTypes] } : {}),
    ...(parts && store.dividesParts ? { parts } : {}),
  };
  const left = parts && !store.dividesParts ? parts : undefined;
  return whenReady(
    readEvents(store, topic, { query, filter }),
    (page) => upTo(left ? ofParts(page, left) : page, to),
  );
}

/** Only the events of these parts, of a page that a store has not divided. */
function ofParts({ events, next }: EventPage, parts: PartSelection): EventPage {
  return { events: events.filter((event) => isInParts(event, parts)), next };
}

/** The page without what came after the head was looked at. */
function upTo({ events, next }: EventPage, to: number): EventPage {
  return { events, next: Math.min(next, to + 1) };
}

/**
 * Reads a page of events: as lines if the store has them and there is no filter to look inside,
 * which is the case for most subscriptions.
 */
function readEvents(
  store: JournalStore,
  topic: string,
  { query, filter }: { query: PageQuery; filter: ((event: Event) => boolean) | undefined },
): MaybePromise<EventPage> {
  if (filter === undefined && store.keepsLines?.(topic)) {
    const page = store.readLines(topic, query);
    return isPromise(page) ? page.then(ofLines) : ofLines(page);
  }
  const page = store.readPage(topic, query);
  return isPromise(page) ? page.then((page) => selected(page, filter)) : selected(page, filter);
}

function ofLines({ bytes, next }: LinePage): EventPage {
  return { events: wireEvents(bytes), next };
}

function selected({ events, next }: Page, filter: Selection["filter"]): EventPage {
  return { events: select(events, filter), next };
}

/** True if the settings let events of the type through. */
export function wantsType(
  { eventTypes }: { eventTypes: readonly string[] },
  type: string,
): boolean {
  return eventTypes.length === 0 || eventTypes.includes(type);
}

/** Copies of a commit's events that pass the settings and the filter. */
export function wantedOf(
  commit: Commit,
  stored: readonly NewEvent[],
  { settings, filter }: {
    settings: { eventTypes: readonly string[] };
    filter: ((event: Event) => boolean) | undefined;
  },
): StoredEvent[] {
  return commitEvents(commit, stored)
    .filter(({ type }) => wantsType(settings, type))
    .map((event) => ({ ...event, payload: event.payload.slice() }))
    .filter((event) => !filter || filter(toFilterEvent(event)));
}

/** True if the window has room for more events. */
export function hasRoom(
  { buffered, bufferedBytes }: { buffered: number; bufferedBytes: number },
): boolean {
  return buffered < WINDOW.events && bufferedBytes < WINDOW.bytes;
}

/** True if events fit into the window, in addition to what is in it. */
export function fitsWindow(
  { buffered, bufferedBytes }: { buffered: number; bufferedBytes: number },
  events: readonly { payload: Uint8Array }[],
): boolean {
  const bytes = events.reduce((sum, { payload }) => sum + payload.length, bufferedBytes);
  return buffered + events.length <= WINDOW.events && bytes <= WINDOW.bytes;
}
