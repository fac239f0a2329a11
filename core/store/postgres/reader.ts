/**
 * Reads of events in PostgreSQL, a statement each. Every answer also has where its topic begins and
 * ends, as of the same moment: a reader that misses events finds that they were deleted.
 */
import type { StoredEvent } from "../../event/event.ts";
import { toWireLine } from "../../event/event.ts";
import type { TopicHead } from "../../event/topic_head.ts";
import type { Postgres } from "../../postgres/connection.ts";
import { DamagedPageError } from "../../postgres/errors.ts";
import type { Found } from "../damage.ts";
import { type KeyQuery, type LinePage, type Page, PAGE_BYTES, type PageQuery } from "../store.ts";
import type { EventReader } from "../reader.ts";
import type { Heads } from "./heads.ts";
import { EVENT_COLUMNS, eventOfRow, type EventRow } from "./row.ts";

/** What a reader works with. */
export interface PostgresReaderContext {
  postgres: Postgres;
  heads: Heads;
  report(found: Found): void;
}

/** A row of a topic, and the row of an event if there is one. */
type PageRow = { first_seq: number; last_seq: number; topic_bytes: number } & (EventRow | NoRow);
type NoRow = { seq: null };
/** `before`: bytes of the events before it in the page. */
type SizedRow = EventRow & { before: number | null };

/** What a statement found, and where the topic began and ended then. */
interface Got {
  head: TopicHead;
  rows: SizedRow[];
}

const HEAD = "t.first_seq, t.last_seq, t.bytes AS topic_bytes";
const SIZE = "octet_length(payload) + octet_length(metadata)";

/** Rows of a topic until their bytes are more than a page; `$1` is its name. */
function pageText(condition: string, { limit = "" } = {}): string {
  return `SELECT ${HEAD}, e.* FROM evs.heads AS t LEFT JOIN LATERAL (
    SELECT ${EVENT_COLUMNS}, before FROM (
      SELECT ${EVENT_COLUMNS}, sum(${SIZE})
        OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)::bigint AS before
      FROM evs.events AS o WHERE o.topic_id = t.topic_id AND ${condition} ORDER BY seq ${limit}
    ) AS sized WHERE before IS NULL OR before < ${PAGE_BYTES} ORDER BY seq
  ) AS e ON true WHERE t.name = $1`;
}

const RANGE = `o.seq >= greatest($2::bigint, t.first_seq) AND
  o.seq <= least($3::bigint, t.last_seq, greatest($2::bigint, t.first_seq) + $4::bigint - 1)`;
const PAGE = pageText(RANGE);
const PAGE_OF_TYPES = pageText(`${RANGE} AND o.type = ANY ($5::text[])`);
const PAGE_OF_PARTS = pageText(
  `${RANGE} AND ($5::text[] IS NULL OR o.type = ANY ($5))
   AND ((1 << (o.slot % $6::int)) & $7::int) <> 0`,
);
const PAGE_OF_KEY = pageText(
  "o.key = $5 AND o.seq >= greatest($2::bigint, t.first_seq) AND o.seq <= least($3::bigint, t.last_seq)",
  { limit: "LIMIT $4" },
);
/** "+ 0": a plan that is made while there are no events reads all of them by the primary key, else. */
const FIND = `SELECT ${HEAD}, e.* FROM evs.heads AS t LEFT JOIN LATERAL (
  SELECT ${EVENT_COLUMNS} FROM evs.events AS o
  WHERE o.topic_id = t.topic_id AND o.id = $2 AND o.seq + 0 >= t.first_seq
  ORDER BY o.seq + 0 DESC LIMIT 1
) AS e ON true WHERE t.name = $1`;

/** The read half of the PostgreSQL event store. */
export class PostgresReader implements EventReader {
  readonly #postgres: Postgres;
  readonly #heads: Heads;
  readonly #report: (found: Found) => void;

  constructor({ postgres, heads, report }: PostgresReaderContext) {
    this.#postgres = postgres;
    this.#heads = heads;
    this.#report = report;
  }

  head(topic: string): TopicHead {
    return this.#heads.of(topic);
  }

  topics(): string[] {
    return this.#heads.topics();
  }

  /** Brings the heads of these topics up to date, or of all. */
  async refresh(topics?: readonly string[]): Promise<void> {
    const rows = await this.#postgres.query<{ name: string } & TopicRow>(
      "read",
      `SELECT name, first_seq, last_seq, bytes FROM evs.heads
       WHERE $1::text[] IS NULL OR name = ANY ($1)`,
      [topics ?? null],
    );
    for (const row of rows) this.#heads.note(row.name, headOf(row));
  }

  async readPage(topic: string, query: PageQuery): Promise<Page> {
    const { from, to } = query;
    const limit = Math.min(query.limit, Number.MAX_SAFE_INTEGER);
    const { text, chosen, isAll } = selectionOf(query);
    let got: Got;
    try {
      got = await this.#rows(topic, text, [topic, from, clampSeq(to), clampSeq(limit), ...chosen]);
    } catch (error) {
      if (!(error instanceof DamagedPageError)) throw error;
      return await this.#pageBefore(topic, query, error);
    }
    // As of the page: what is known by now may be newer.
    const { rows, head: { firstSeq, lastSeq } } = got;
    const start = Math.max(from, firstSeq);
    const end = Math.min(to, lastSeq, start + limit - 1);
    const kept = withinPage(rows);
    const cut = kept.length < rows.length;
    const last = cut ? kept.at(-1)!.seq : end;
    if (isAll) this.#reportGaps(topic, kept, { from: start, to: last });
    const next = cut ? last + 1 : end >= Math.min(to, lastSeq) ? to + 1 : end + 1;
    return { events: this.#events(topic, kept), next };
  }

  /** The server cannot read all of it: a page of the first event, or past it. */
  async #pageBefore(topic: string, query: PageQuery, error: DamagedPageError): Promise<Page> {
    const from = Math.max(query.from, this.#heads.of(topic).firstSeq);
    if (query.limit > 1) return await this.readPage(topic, { ...query, from, limit: 1 });
    this.#report({ topic, firstSeq: from, lastSeq: from, what: error.message, lost: true });
    return { events: [], next: from >= query.to ? query.to + 1 : from + 1 };
  }

  async readLines(topic: string, query: PageQuery): Promise<LinePage> {
    const { events, next } = await this.readPage(topic, query);
    const lines = events.map(toWireLine);
    const bytes = new Uint8Array(lines.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const line of lines) {
      bytes.set(line, at);
      at += line.length;
    }
    return { bytes, count: lines.length, lastSeq: events.at(-1)?.seq ?? 0, next };
  }

  async readKey(topic: string, { key, from, to, limit }: KeyQuery): Promise<Page> {
    const values = [topic, from, clampSeq(to), clampSeq(limit), key];
    const { rows } = await this.#rows(topic, PAGE_OF_KEY, values);
    // The event that makes the page too large is in it, as with the other stores.
    const isAll = rows.length < limit && !isFull(rows);
    const next = isAll ? to + 1 : rows.at(-1)!.seq + 1;
    return { events: this.#events(topic, rows), next };
  }

  async lastSeqOfKey(topic: string, key: string): Promise<number> {
    const [row] = await this.#postgres.query<{ seq: number }>(
      "read",
      `SELECT e.seq FROM evs.heads AS t JOIN evs.events AS e USING (topic_id)
       WHERE t.name = $1 AND e.key = $2 AND e.seq >= t.first_seq ORDER BY e.seq DESC LIMIT 1`,
      [topic, key],
    );
    return row?.seq ?? 0;
  }

  async find(topic: string, id: string): Promise<StoredEvent | undefined> {
    const { rows } = await this.#rows(topic, FIND, [topic, id]);
    return this.#events(topic, rows)[0];
  }

  seekTime(topic: string, timestamp: number, latest = Infinity): Promise<number> {
    return this.#seek(topic, "evs.seek_time_1($1, $2, $3, $4, $5)", [
      Math.ceil(clampSeq(timestamp)),
      Math.floor(clampSeq(latest)),
    ]);
  }

  seekBytes(topic: string, maxBytes: number): Promise<number> {
    return this.#seek(topic, "evs.seek_bytes_1($1, $2, $3, $4)", [Math.floor(clampSeq(maxBytes))]);
  }

  /** `now`: Unix ms; absent: the database's. */
  seekAge(topic: string, age: number, now: number | null): Promise<number> {
    const since = "coalesce($4, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) - $5";
    return this.#seek(topic, `evs.seek_age_1($1, $2, $3, ${since})`, [now, clampSeq(age)]);
  }

  /** Calls a function that seeks in a topic, of which it knows where it begins and ends. */
  async #seek(topic: string, call: string, values: readonly unknown[]): Promise<number> {
    const [row] = await this.#postgres.query<TopicRow & { topic_id: number }>(
      "read",
      "SELECT topic_id, first_seq, last_seq, bytes FROM evs.heads WHERE name = $1",
      [topic],
    );
    if (!row) return 1;
    this.#heads.note(topic, headOf(row));
    const numbered = [row.topic_id, row.first_seq, row.last_seq, ...values];
    const [found] = await this.#postgres.query<{ seq: number }>(
      "read",
      `SELECT ${call} AS seq`,
      numbered,
    );
    return found!.seq;
  }

  async #rows(topic: string, text: string, values: readonly unknown[]): Promise<Got> {
    const rows = await this.#postgres.query<PageRow & { before: number | null }>(
      "read",
      text,
      values,
    );
    const [first] = rows;
    if (!first) return { head: { firstSeq: 1, lastSeq: 0, bytes: 0 }, rows: [] };
    const head = headOf({ ...first, bytes: first.topic_bytes });
    this.#heads.note(topic, head);
    return { head, rows: first.seq === null ? [] : rows as SizedRow[] };
  }

  /** The events of rows that are intact. */
  #events(topic: string, rows: readonly EventRow[]): StoredEvent[] {
    const events: StoredEvent[] = [];
    for (const row of rows) {
      const event = eventOfRow(topic, row);
      if (event) events.push(event);
      else {
        const what = "the row does not match its checksum";
        this.#report({ topic, firstSeq: row.seq, lastSeq: row.seq, what, lost: true });
      }
    }
    return events;
  }

  /** Numbers without a row: every number was given to an event that was committed. */
  #reportGaps(
    topic: string,
    rows: readonly EventRow[],
    { from, to }: { from: number; to: number },
  ): void {
    if (rows.length === to - from + 1 || to < from) return;
    let next = from;
    const what = "the row is missing";
    for (const seq of [...rows.map((row) => row.seq), to + 1]) {
      if (seq > next) this.#report({ topic, firstSeq: next, lastSeq: seq - 1, what, lost: true });
      next = seq + 1;
    }
  }
}

interface TopicRow {
  first_seq: number;
  last_seq: number;
  bytes: number;
}

function headOf({ first_seq, last_seq, bytes }: TopicRow): TopicHead {
  return { firstSeq: first_seq, lastSeq: last_seq, bytes };
}

/** The statement for what is asked for of a range, and its last values. */
function selectionOf(
  { types, parts }: PageQuery,
): { text: string; chosen: readonly unknown[]; isAll: boolean } {
  if (parts) {
    const chosen = [types ?? null, parts.count, parts.mask];
    return { text: PAGE_OF_PARTS, chosen, isAll: false };
  }
  if (types) return { text: PAGE_OF_TYPES, chosen: [types], isAll: false };
  return { text: PAGE, chosen: [], isAll: true };
}

/** The rows that fit into a page. The last one may have made it too large. */
function withinPage(rows: SizedRow[]): SizedRow[] {
  return rows.length > 1 && isFull(rows) ? rows.slice(0, -1) : rows;
}

/** True if rows have more bytes than a page. */
function isFull(rows: readonly SizedRow[]): boolean {
  const last = rows.at(-1);
  if (!last) return false;
  const before = last.before ?? 0;
  const most = 3 * (last.payload.length + last.metadata.length);
  return before + most > PAGE_BYTES && before + byteLength(last) > PAGE_BYTES;
}

const encoder = new TextEncoder();
const byteLength = ({ payload, metadata }: EventRow) =>
  encoder.encode(payload).length + encoder.encode(metadata).length;

/** What fits into a `bigint`. */
function clampSeq(value: number): number {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(value, Number.MAX_SAFE_INTEGER));
}
