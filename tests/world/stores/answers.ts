/**
 * Asks stores what a command says, and makes their answers comparable: with the text of payloads
 * instead of bytes, and with the code of an error instead of the error.
 */
import { crc32 } from "../../../core/base/checksum.ts";
import { defined } from "../../../core/base/defined.ts";
import { EvsError } from "../../../core/base/errors.ts";
import { type NewEvent, type StoredEvent, toWireLine } from "../../../core/event/event.ts";
import { newestOfKey, readKey } from "../../../core/store/by_key.ts";
import { atOnce } from "../../helpers/at_once.ts";
import type { LocalStore } from "../../helpers/stores.ts";
import type { KeyBook, KeyStanding } from "./key_book.ts";
import { Journal } from "../../../core/store/journal.ts";
import { pack, type StoreRequest } from "../../../core/store/pack.ts";
import { PagesBack } from "../../../core/store/pages_back.ts";
import {
  type AppendOutcome,
  type AppendRequest,
  type Condition,
  type Expected,
  type Page,
  PAGE_BYTES,
} from "../../../core/store/store.ts";

/** A store that is asked, and the numbers that it has given to events of keys. */
export interface Asked {
  name: string;
  store: LocalStore;
  book: KeyBook;
}

/** A range of seqs, and how many events a page of it has at most. */
export interface Range {
  from: number;
  to: number;
  limit: number;
}

const decoder = new TextDecoder();

/** The answer, or the code of the error. An error without a code is nobody's answer. */
export async function answerOf(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    // Without what is undefined: whether a member is absent or undefined is no difference.
    return JSON.parse(JSON.stringify(await ask() ?? null));
  } catch (error) {
    if (error instanceof EvsError) return { error: error.code };
    throw error;
  }
}

/** All that an event says, in words. Large payloads are told apart by their sums. */
export function shown({ name, book }: Asked, event: StoredEvent) {
  const { line, payload, keySeq, ...rest } = event;
  const own = decode(toWireLine(event));
  if (line !== undefined && own !== `${decode(line)}\n`) return { name, line: decode(line), own };
  const text = payload.length > 60 ? `${payload.length}: ${crc32(payload)}` : decode(payload);
  return { ...rest, number: book.told(event.topic, event.seq, keySeq), payload: text };
}

const decode = (bytes: Uint8Array) => decoder.decode(bytes);

/** True if pages of the topic end by the number of their events, and not by their bytes. */
function isSmall(store: LocalStore, topic: string): boolean {
  return store.head(topic).bytes < PAGE_BYTES / 2;
}

/**
 * A range, page by page. Where a page ends because of its bytes is each store's own: it counts
 * what it reads. Pages of small topics end where their limits say.
 */
function inPages<P extends { next: number }>(
  store: LocalStore,
  topic: string,
  { range, read }: { range: Range; read: (from: number) => P },
): { pages: P[]; ends: number[] } {
  const pages: P[] = [];
  const ends: number[] = [];
  for (let from = range.from; from <= range.to;) {
    const page = read(from);
    const first = Math.max(from, store.head(topic).firstSeq);
    const most = Math.min(range.to, store.head(topic).lastSeq);
    if (page.next <= from) {
      throw new Error(`a page of ${topic} ends at ${page.next}, before ${from}`);
    }
    if (page.next <= most && page.next - first > range.limit) ends.push(-page.next);
    pages.push(page);
    if (isSmall(store, topic)) ends.push(page.next);
    from = page.next;
  }
  return { pages, ends };
}

/** The events of a range, in pages. */
export function pagesOf(
  asked: Asked,
  topic: string,
  { range, types }: { range: Range; types: string[] | undefined },
): unknown {
  const { store } = asked;
  const read = (from: number) => store.readPage(topic, { ...range, from, types });
  const { pages, ends } = inPages<Page>(store, topic, { range, read });
  return {
    events: pages.flatMap(({ events }) => events).map((event) => shown(asked, event)),
    ends,
  };
}

/** The wire lines of a range, in pages. */
export function linesOf(
  asked: Asked,
  topic: string,
  { range, types }: { range: Range; types: string[] | undefined },
): unknown {
  const { store, book } = asked;
  const read = (from: number) => store.readLines(topic, { ...range, from, types });
  const { pages, ends } = inPages(store, topic, { range, read });
  const text = pages.map(({ bytes }) => decode(bytes)).join("");
  return {
    lines: text.split("\n").slice(0, -1).map((line) => toldLine(line, topic, book)),
    counts: isSmall(store, topic) ? pages.map(({ count, lastSeq }) => [count, lastSeq]) : [],
    ends,
  };
}

/** A line, with the number of its key as the store's own book tells it. */
function toldLine(line: string, topic: string, book: KeyBook): string {
  const told = line.replace(
    /^(\{"seq":(\d+),.*?),"keySeq":(\d+)(?=[,}])/,
    (_, before, seq, number) => `${before} ${book.told(topic, Number(seq), Number(number))}`,
  );
  if (told.length < 500) return told;
  return `${told.slice(0, 100)}… ${told.length}: ${crc32(new TextEncoder().encode(told))}`;
}

/** The events of a range from its end. */
export function pagesBackOf(
  asked: Asked,
  topic: string,
  { range, types }: { range: Range; types: string[] | undefined },
): unknown {
  const pages = new PagesBack(asked.store, topic, { ...range, types });
  const events: StoredEvent[] = [];
  for (let page = atOnce(pages.next()); page; page = atOnce(pages.next())) {
    events.push(...page);
  }
  return events.map((event) => shown(asked, event));
}

/** The events of a key, in pages. */
export function keyPagesOf(
  asked: Asked,
  topic: string,
  { range, key }: { range: Range; key: string },
): unknown {
  const events: StoredEvent[] = [];
  for (let from = range.from; from <= range.to;) {
    const page = readKey(asked.store, topic, { ...range, from, key });
    if (page.events.length > range.limit) throw new Error(`${page.events.length} events of a key`);
    events.push(...page.events);
    from = page.next;
  }
  return events.map((event) => shown(asked, event));
}

/** The newest event of some keys. */
export function newestOf(asked: Asked, topic: string, keys: readonly string[]): unknown {
  const steps = newestOfKey(asked.store, topic, keys);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value && shown(asked, step.value);
}

/** An expectation of what a store has; a number within a key is each store's own. */
export type Wanted = Exclude<Expected, object> | { keySeqOff: number };

/** A request as it came, or in columns; a store may use up what it is given. */
export interface AskedRequest {
  topic: string;
  events: readonly NewEvent[];
  wanted: Wanted | undefined;
  packed: boolean;
}

/** A condition of a group. */
export interface AskedCondition {
  topic: string;
  key: string | undefined;
  wanted: Wanted;
}

/** What is asked of all stores, and what was true of its keys before. */
export interface AskedAppend {
  requests: readonly AskedRequest[];
  /** Absent: each request has its own expectation. */
  conditions?: readonly AskedCondition[] | undefined;
  standing: ReadonlyMap<string, KeyStanding>;
}

/** Nothing has so many events. */
const FAR_OFF = 1e9;

function expectedOf(
  book: KeyBook,
  { topic, key, wanted }: AskedCondition,
  standing: AskedAppend["standing"],
): Expected {
  if (typeof wanted !== "object") return wanted;
  const { keySeqOff } = wanted;
  if (key === undefined) return { keySeq: FAR_OFF };
  const actual = book.actual(topic, key, standing.get(`${topic} ${key}`)!);
  return { keySeq: keySeqOff === 0 ? actual : keySeqOff > 0 ? actual + keySeqOff : FAR_OFF };
}

function given(
  { book }: Asked,
  { topic, events, wanted, packed }: AskedRequest,
  standing: AskedAppend["standing"],
): StoreRequest {
  const request: AppendRequest = wanted === undefined ? { topic, events } : {
    topic,
    events,
    expected: expectedOf(book, { topic, key: events[0]?.key, wanted }, standing),
  };
  return packed && events.length > 0 ? pack(request) : request;
}

/** Stores what arrives together. */
export async function published(asked: Asked, { requests, standing }: AskedAppend) {
  const journal = new Journal(asked.store);
  const commits: unknown[] = [];
  journal.onCommit(({ topic, firstSeq, lastSeq, events }) => {
    commits.push({ topic, firstSeq, lastSeq });
    if (events && events.length !== lastSeq - firstSeq + 1) commits.push(events.length);
  });
  const outcomes = await Promise.all(
    requests.map((request) => journal.submit(given(asked, request, standing))),
  );
  await journal.idle();
  const now = new Map(standing);
  return { outcomes: outcomes.map((one, i) => noted(asked, requests[i]!, one, now)), commits };
}

function noted(
  { book }: Asked,
  request: AskedRequest,
  outcome: AppendOutcome,
  standing: Map<string, KeyStanding>,
  condition?: AskedCondition,
): unknown {
  const about = condition ?? { topic: request.topic, key: request.events[0]?.key };
  return book.note(request, outcome, { standing, about });
}

/** One append; with conditions all of its requests are one group. */
export async function appended(
  asked: Asked,
  { requests, conditions, standing }: AskedAppend,
): Promise<unknown> {
  const group = conditions && {
    from: 0,
    to: requests.length,
    conditions: conditions.map((one): Condition =>
      defined({ ...one, wanted: undefined, expected: expectedOf(asked.book, one, standing) })
    ),
  };
  const outcomes = await asked.store.append(
    requests.map((request) => given(asked, request, standing)),
    group ? { groups: [group] } : {},
  );
  const now = new Map(standing);
  return outcomes.map((outcome, i) => {
    const condition = outcome.ok ? undefined : conditions?.[outcome.condition ?? 0];
    return noted(asked, requests[i]!, outcome, now, condition);
  });
}
