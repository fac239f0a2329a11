/**
 * Reads of the event database, by page: nothing is held open between two pages, so that a slow client never keeps a
 * read transaction (and so the write-ahead log) alive.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoredEvent } from "../event.ts";
import type { EventQuery, LinePage, Page, PageQuery } from "./store.ts";
import { blockOf, position } from "./sqlite_schema.ts";
import type { TopicRow } from "./sqlite_topics.ts";

interface LogRow {
  pos: number;
  id: string;
  type: string;
  timestamp: number;
  schema_version: string;
  key: string | null;
  metadata: string | null;
  payload: Uint8Array;
}

const EMPTY = new Uint8Array(0);
const KEY = `iif(key IS NULL, '', ',"key":' || json_quote(key))`;
const TAIL = `${KEY}, ifnull(metadata, '{}'), payload)`;
/** The wire line of core/event.ts, built by SQLite: twice as fast as row by row here. */
const PLAIN_LINE =
  `format('{"seq":%d,"id":"%s","type":"%s","topic":"%s","timestamp":%d,"schemaVersion":"%s"%s,` +
  `"metadata":%s,"payload":%s}', pos - ?1, id, type, ?4, timestamp, schema_version, ${TAIL}`;
const QUOTED_LINE =
  `format('{"seq":%d,"id":%s,"type":%s,"topic":"%s","timestamp":%d,"schemaVersion":%s%s,` +
  `"metadata":%s,"payload":%s}', pos - ?1, json_quote(id), json_quote(type), ?4, timestamp, ` +
  `json_quote(schema_version), ${TAIL}`;

/** Lines of one page: how many events are looked at in one statement. */
const LINES_AT_ONCE = 1000;

/** The read half of the SQLite event store. */
export class SqliteReader {
  readonly #database: DatabaseSync;
  readonly #topicOf: (name: string) => TopicRow | undefined;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, topicOf: (name: string) => TopicRow | undefined) {
    this.#database = database;
    this.#topicOf = topicOf;
  }

  readPage(topic: string, query: PageQuery): Page {
    const row = this.#topicOf(topic);
    const range = row && pageRange(row, query);
    if (!row || !range) return { events: [], next: query.to + 1 };
    const types = query.types;
    const statement = this.#prepare(
      `SELECT * FROM log WHERE pos BETWEEN ? AND ?${typesClause(types)} ORDER BY pos`,
    );
    const base = position(row.id, 0);
    const rows = statement.all(
      base + range.from,
      base + range.end,
      ...(types ?? []),
    ) as unknown as LogRow[];
    return { events: rows.map((found) => toStored(row, found)), next: range.next };
  }

  readLines(topic: string, query: PageQuery): LinePage {
    const row = this.#topicOf(topic);
    const range = row && pageRange(row, { ...query, limit: Math.min(query.limit, LINES_AT_ONCE) });
    if (!row || !range) return { bytes: EMPTY, count: 0, lastSeq: 0, next: query.to + 1 };
    const types = query.types;
    const base = position(row.id, 0);
    const line = row.plain ? PLAIN_LINE : QUOTED_LINE;
    const statement = this.#prepare(
      `SELECT count(*) AS n, max(pos) AS last, CAST(group_concat(${line}, char(10)) || char(10) AS BLOB) AS lines
       FROM (SELECT * FROM log WHERE pos BETWEEN ?2 AND ?3${typesClause(types)} ORDER BY pos)`,
    );
    const found = statement.get(
      base,
      base + range.from,
      base + range.end,
      topic,
      ...(types ?? []),
    ) as {
      n: number;
      last: number | null;
      lines: Uint8Array | null;
    };
    if (found.last === null) return { bytes: EMPTY, count: 0, lastSeq: 0, next: range.next };
    return {
      bytes: found.lines ?? EMPTY,
      count: found.n,
      lastSeq: found.last - base,
      next: range.next,
    };
  }

  find(topic: string, id: string): StoredEvent | undefined {
    const row = this.#topicOf(topic);
    if (!row) return undefined;
    const given = this.#prepare("SELECT seq FROM given_ids WHERE topic = ? AND id = ?").get(
      row.id,
      id,
    ) as
      | { seq: number }
      | undefined;
    if (given) return this.#event(row, "pos = ?", [position(row.id, given.seq)]);
    // Ours rise with the seq, but for those that were made in one moment and stored in another: a few blocks at most.
    const blocks = this.#prepare(
      "SELECT block FROM blocks WHERE topic = ? AND min_id <= ? AND max_id >= ? ORDER BY block",
    ).all(row.id, id, id) as { block: number }[];
    for (const { block } of blocks) {
      const from = position(row.id, block * 1024 + 1);
      const found = this.#event(row, "pos BETWEEN ? AND ? AND id = ?", [from, from + 1023, id]);
      if (found) return found;
    }
    return undefined;
  }

  seekTime(topic: string, timestamp: number): number {
    const row = this.#topicOf(topic);
    if (!row) return 1;
    const blocks = this.#prepare(
      "SELECT block FROM blocks WHERE topic = ? AND block >= ? AND max_timestamp >= ? ORDER BY block",
    );
    const match = this.#prepare(
      "SELECT min(pos) AS pos FROM log WHERE pos BETWEEN ? AND ? AND timestamp >= ?",
    );
    const candidates = blocks.iterate(row.id, blockOf(row.firstSeq), timestamp) as Iterable<
      { block: number }
    >;
    for (const { block } of candidates) {
      const from = position(row.id, block * 1024 + 1);
      const { pos } = match.get(from, from + 1023, timestamp) as { pos: number | null };
      if (pos !== null) return pos - position(row.id, 0);
    }
    return row.lastSeq + 1;
  }

  seekBytes(topic: string, maxBytes: number): number {
    const row = this.#topicOf(topic);
    if (!row || row.bytes <= maxBytes) return row?.firstSeq ?? 1;
    let left = maxBytes;
    const blocks = this.#prepare(
      "SELECT block, bytes FROM blocks WHERE topic = ? ORDER BY block DESC",
    )
      .iterate(row.id) as Iterable<{ block: number; bytes: number }>;
    for (const { block, bytes } of blocks) {
      if (bytes <= left) {
        left -= bytes;
        continue;
      }
      const from = position(row.id, block * 1024 + 1);
      const sizes = this.#prepare(
        `SELECT pos, length(payload) + ifnull(octet_length(metadata), 2) AS bytes FROM log
         WHERE pos BETWEEN ? AND ? ORDER BY pos DESC`,
      ).all(from, from + 1023) as { pos: number; bytes: number }[];
      for (const size of sizes) {
        left -= size.bytes;
        if (left < 0) return size.pos - position(row.id, 0) + 1;
      }
      return block * 1024 + 1;
    }
    return row.firstSeq;
  }

  /** The seed's query: by time and type, oldest seq first. */
  getEvents(topic: string, query: EventQuery): StoredEvent[] {
    const row = this.#topicOf(topic);
    if (!row) return [];
    const types = query.eventTypes?.length ? query.eventTypes : undefined;
    const rows = this.#prepare(
      `SELECT * FROM log WHERE pos BETWEEN ? AND ? AND timestamp BETWEEN ? AND ?${
        typesClause(types)
      }
       ORDER BY pos LIMIT ?`,
    ).all(
      position(row.id, 0),
      position(row.id + 1, 0) - 1,
      query.fromTimestamp ?? Number.MIN_SAFE_INTEGER,
      query.toTimestamp ?? Number.MAX_SAFE_INTEGER,
      ...(types ?? []),
      query.limit || -1,
    ) as unknown as LogRow[];
    return rows.map((found) => toStored(row, found));
  }

  #event(topic: TopicRow, where: string, values: (string | number)[]): StoredEvent | undefined {
    const row = this.#prepare(`SELECT * FROM log WHERE ${where}`).get(...values);
    return row && toStored(topic, row as unknown as LogRow);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
}

/** The seqs to look at, and where the page after this one begins. Undefined when there are none. */
function pageRange(
  row: TopicRow,
  query: PageQuery,
): { from: number; end: number; next: number } | undefined {
  const from = Math.max(query.from, row.firstSeq);
  const last = Math.min(query.to, row.lastSeq);
  if (from > last) return undefined;
  const end = Math.min(last, from + query.limit - 1);
  return { from, end, next: end >= last ? query.to + 1 : end + 1 };
}

function typesClause(types: readonly string[] | undefined): string {
  return types ? ` AND type IN (${types.map(() => "?").join(",")})` : "";
}

function toStored(topic: TopicRow, row: LogRow): StoredEvent {
  return {
    seq: row.pos - position(topic.id, 0),
    topic: topic.name,
    id: row.id,
    type: row.type,
    timestamp: row.timestamp,
    schemaVersion: row.schema_version,
    ...(row.key === null ? {} : { key: row.key }),
    metadata: row.metadata ?? "{}",
    payload: row.payload,
  };
}
