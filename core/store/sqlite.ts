/**
 * Events in SQLite: the default store of the daemon. Query it with any tool that reads SQLite (the view `events`).
 *
 * Synchronous inside: an `append` is one transaction, several rows a statement. The daemon runs this class in a worker
 * (core/store/worker_store.ts), an application may run it where it is.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, systemClock } from "../clock.ts";
import { CannotStoreError, InternalError } from "../errors.ts";
import { type Event, type StoredEvent, toEvent } from "../event.ts";
import { decideAppend, type DedupWindow, eventsToSave, sizeOf } from "./append.ts";
import { LineWriter } from "./line_writer.ts";
import { BlockSums } from "./sqlite_blocks.ts";
import { RowWriter } from "./sqlite_rows.ts";
import { SqliteReader } from "./sqlite_reader.ts";
import {
  BLOCK,
  blockOf,
  type Durability,
  MAX_TOPICS,
  openEventDatabase,
  position,
} from "./sqlite_schema.ts";
import { loadTopics, type TopicRow } from "./sqlite_topics.ts";
import { isPacked, type PackedRequest, type StoreRequest, takesAll } from "./pack.ts";
import { packedLines } from "./packed_lines.ts";
import type {
  AppendOutcome,
  EventQuery,
  JournalStore,
  KeyQuery,
  LinePage,
  Page,
  PageQuery,
  TopicHead,
} from "./store.ts";

/** How a {@link SqliteEventStore} opens its file. */
export interface SqliteStoreOptions extends DedupWindow {
  durability?: Durability;
  clock?: Clock;
}

/** A {@link JournalStore} in one SQLite file. */
export class SqliteEventStore implements JournalStore {
  readonly durable: boolean;
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #dedupWindow: number;
  readonly #topics: Map<string, TopicRow>;
  readonly #reader: SqliteReader;
  readonly #statements = new Map<string, StatementSync>();
  readonly #rows: RowWriter;

  /** Opens or creates the database at `path`. Throws `DataDirError` when it is not ours or of a newer format. */
  constructor(path: string, options: SqliteStoreOptions = {}) {
    this.durable = (options.durability ?? "always") === "always";
    this.#clock = options.clock ?? systemClock;
    this.#dedupWindow = options.dedupWindow ?? 86_400_000;
    this.#database = openEventDatabase(path, options);
    this.#topics = loadTopics(this.#database);
    this.#reader = new SqliteReader(this.#database, (name) => this.#topics.get(name));
    this.#rows = new RowWriter(this.#database);
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    return this.appendSync(requests);
  }

  /** The same, at once: for the worker that waits for nothing else. */
  appendSync(requests: readonly StoreRequest[]): AppendOutcome[] {
    const touched = new Map<string, TopicRow>();
    const outcomes = this.#transaction(() =>
      requests.map((request) => this.#appendOne(request, touched))
    );
    for (const row of touched.values()) this.#topics.set(row.name, row);
    return outcomes;
  }

  /** What is known of a topic; the worker sends it to the thread that reads. */
  topicRow(name: string): TopicRow | undefined {
    return this.#topics.get(name);
  }

  /** All of them. */
  topicRows(): TopicRow[] {
    return [...this.#topics.values()];
  }

  #appendOne(request: StoreRequest, touched: Map<string, TopicRow>): AppendOutcome {
    const topic = touched.get(request.topic) ??
      { ...this.#topics.get(request.topic) ?? this.#addTopic(request.topic) };
    touched.set(request.topic, topic);
    if (isPacked(request) && takesAll(request)) return this.#appendPacked(request, topic);
    const now = this.#clock.now();
    const base = position(topic.id, 0);
    const sums = new BlockSums();
    const lines = new LineWriter(topic.name);
    const outcome = decideAppend(request, {
      lastSeq: topic.lastSeq,
      lastSeqOfKey: (key) => {
        const { pos } = this.#prepare(
          "SELECT max(pos) AS pos FROM log WHERE key = ? AND pos BETWEEN ? AND ?",
        )
          .get(key, base, position(topic.id + 1, 0) - 1) as { pos: number | null };
        return pos === null ? 0 : pos - base;
      },
      seqOfGivenId: (id) => {
        const seen = this.#prepare(
          "SELECT seq FROM given_ids WHERE topic = ? AND id = ? AND received_at > ?",
        )
          .get(topic.id, id, now - this.#dedupWindow) as { seq: number } | undefined;
        return seen?.seq;
      },
      store: (seq, event) => {
        const { line, head } = lines.write(seq, event);
        const row = { type: event.type, key: event.key ?? null, head, line };
        if (this.#rows.add(base + seq, row)) lines.reset();
        const size = sizeOf(event);
        sums.add(seq, event, size);
        topic.bytes += size;
        if (event.idGiven) {
          this.#prepare("INSERT OR REPLACE INTO given_ids VALUES (?, ?, ?, ?)").run(
            topic.id,
            event.id,
            seq,
            now,
          );
        }
      },
    });
    this.#rows.flush();
    if (outcome.ok && outcome.count > 0) topic.lastSeq = outcome.lastSeq;
    sums.write(topic.id, (sql) => this.#prepare(sql));
    return outcome;
  }

  /** The same where nothing has to be looked up: no object is made for an event. */
  #appendPacked(request: PackedRequest, topic: TopicRow): AppendOutcome {
    const firstSeq = topic.lastSeq + 1;
    const { count } = request;
    const lines = packedLines(request, firstSeq);
    this.#rows.addLines(position(topic.id, 0), lines, { ...request, firstSeq });
    this.#rows.flush();
    const sums = new BlockSums();
    topic.bytes += sums.addPacked(request, firstSeq);
    sums.write(topic.id, (sql) => this.#prepare(sql));
    topic.lastSeq += count;
    return { ok: true, count, firstSeq, lastSeq: topic.lastSeq, duplicates: [] };
  }

  #addTopic(name: string): TopicRow {
    const { n } = this.#prepare("SELECT count(*) AS n FROM topics").get() as { n: number };
    if (n >= MAX_TOPICS) {
      throw new CannotStoreError(`the store has ${n} topics, and no room for another`, {
        code: "store/too-many-topics",
        hint: "use fewer topics: put what differs into the event's type or key",
      });
    }
    // Inside the append's transaction: a topic that was refused leaves no row.
    const { lastInsertRowid } = this.#prepare("INSERT INTO topics (name) VALUES (?)").run(name);
    return { id: Number(lastInsertRowid), name, firstSeq: 1, lastSeq: 0, bytes: 0 };
  }

  head(topic: string): TopicHead {
    const { firstSeq, lastSeq, bytes } = this.#topics.get(topic) ??
      { firstSeq: 1, lastSeq: 0, bytes: 0 };
    return { firstSeq, lastSeq, bytes };
  }

  topics(): string[] {
    return [...this.#topics.keys()];
  }

  readPage(topic: string, query: PageQuery): Page {
    return this.#reader.readPage(topic, query);
  }

  readKey(topic: string, query: KeyQuery): Page {
    return this.#reader.readKey(topic, query);
  }

  readLines(topic: string, query: PageQuery): LinePage {
    return this.#reader.readLines(topic, query);
  }

  find(topic: string, id: string): StoredEvent | undefined {
    return this.#reader.find(topic, id);
  }

  seekTime(topic: string, timestamp: number): number {
    return this.#reader.seekTime(topic, timestamp);
  }

  seekBytes(topic: string, maxBytes: number): number {
    return this.#reader.seekBytes(topic, maxBytes);
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async truncate(topic: string, seq: number): Promise<number> {
    return this.truncateSync(topic, seq);
  }

  /** The same, at once. */
  truncateSync(name: string, seq: number): number {
    const row = this.#topics.get(name);
    if (!row) return 0;
    const to = Math.min(seq, row.lastSeq + 1);
    if (to <= row.firstSeq) return 0;
    const base = position(row.id, 0);
    const bytes = this.#transaction(() => {
      this.#prepare("UPDATE topics SET last_seq = ? WHERE id = ?").run(row.lastSeq, row.id);
      const partial = blockOf(to);
      const gone = this.#reader.readPage(name, {
        from: partial * BLOCK + 1,
        to: to - 1,
        limit: BLOCK,
      }).events;
      this.#prepare("DELETE FROM log WHERE pos >= ? AND pos < ?").run(
        base + row.firstSeq,
        base + to,
      );
      this.#prepare("DELETE FROM blocks WHERE topic = ? AND block < ?").run(row.id, partial);
      this.#prepare(
        "UPDATE blocks SET events = events - ?, bytes = bytes - ? WHERE topic = ? AND block = ?",
      )
        .run(gone.length, gone.reduce((sum, event) => sum + sizeOf(event), 0), row.id, partial);
      // A given id outlives its event until it is no longer looked up.
      this.#prepare("DELETE FROM given_ids WHERE topic = ? AND seq < ? AND received_at <= ?")
        .run(row.id, to, this.#clock.now() - this.#dedupWindow);
      return (this.#prepare("SELECT ifnull(sum(bytes), 0) AS bytes FROM blocks WHERE topic = ?")
        .get(row.id) as {
          bytes: number;
        }).bytes;
    });
    const count = to - row.firstSeq;
    this.#topics.set(name, { ...row, firstSeq: to, bytes });
    return count;
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async removeTopic(topic: string): Promise<void> {
    this.removeTopicSync(topic);
  }

  /** The same, at once. */
  removeTopicSync(topic: string): void {
    const row = this.#topics.get(topic);
    if (!row) return;
    this.truncateSync(topic, row.lastSeq + 1);
    this.#transaction(() => this.#prepare("DELETE FROM given_ids WHERE topic = ?").run(row.id));
  }

  async saveEvent(event: Event): Promise<void> {
    await this.append([eventsToSave(event)]);
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    return Promise.resolve(this.#reader.getEvents(topic, options).map((stored) => toEvent(stored)));
  }

  deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    return this.truncate(topic, this.seekTime(topic, beforeTimestamp));
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async close(): Promise<void> {
    this.closeSync();
  }

  /** The same, at once. */
  closeSync(): void {
    this.#database.close();
  }

  #transaction<T>(work: () => T): T {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rows.drop();
      this.#rollback();
      throw asStoreError(error);
    }
  }

  #rollback(): void {
    // SQLite rolls back by itself after some errors (a full disk among them); then there is nothing left to do.
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
}

/** SQLite's primary result codes that are told apart (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

function asStoreError(error: unknown): unknown {
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) return error;
  const message = (error as Error).message;
  switch (code & 0xff) {
    case SQLITE_FULL:
      return new CannotStoreError(
        "the disk is full: nothing of this was stored, what was acknowledged is safe",
        {
          code: "store/disk-full",
          cause: error,
          hint: "make room; publishing works again by itself",
        },
      );
    case SQLITE_BUSY:
      return new CannotStoreError(`the event database is locked by another program: ${message}`, {
        code: "store/busy",
        cause: error,
        hint: "end the program that writes to events.db, then publish again",
      });
    default:
      return new InternalError(`SQLite failed (${code}): ${message}`, {
        cause: error,
        details: { errcode: code },
      });
  }
}
