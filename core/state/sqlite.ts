/**
 * The state in SQLite. Synchronous inside: a commit is one transaction with one sync. The daemon
 * writes in a worker and reads in its own thread through a second, read-only instance
 * (core/state/worker_state.ts).
 */
import { reasonHolds } from "./reason.ts";
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { NamedFiles } from "../base/named_files.ts";
import { CannotStoreError, InternalError } from "../base/errors.ts";
import { nextAfter, pageStart } from "./dead_letter_page.ts";
import { openStateDatabase } from "./migrations.ts";
import { type DatabaseLock, lockDatabase, openLocked } from "../store/sqlite/database_lock.ts";
import {
  begunOf,
  cursorOf,
  deadLetterOf,
  linkOf,
  missedRecordOf,
  type Row,
  schemaOf,
  SELECT_TOPICS,
  subscriptionOf,
  topicsOf,
  waitingOf,
} from "./rows.ts";
import { changeStatements } from "./sqlite_changes.ts";
import type {
  CommitOptions,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterPageRequest,
  LevelRecord,
  RetryRecord,
  State,
  StateChange,
  StateSnapshot,
  TopicEndRecord,
  UnansweredRecord,
} from "./state.ts";

/** A {@link State} in one SQLite file. */
export class SqliteState implements State {
  readonly #database: DatabaseSync;
  readonly #lock: DatabaseLock | undefined;
  readonly #named: NamedFiles;
  readonly #statements = new Map<string, StatementSync>();
  #failed: unknown;
  /** The mode that `openStateDatabase` sets. */
  #mode: "FULL" | "NORMAL" = "FULL";

  /**
   * Opens or creates the database at `path`. Throws `DataDirError` if it is in use, has a newer
   * format or is not one of ours. `again`: see `openStateDatabase`. `lock: false`: the caller has
   * already locked the folder of the file.
   */
  constructor(
    path: string,
    options: { readOnly?: boolean; asFound?: boolean; again?: number; lock?: false } = {},
  ) {
    const { readOnly, again, lock } = options;
    const isOwn = !readOnly && again === undefined && lock !== false;
    this.#lock = isOwn ? lockDatabase(path) : undefined;
    this.#database = openLocked(this.#lock, () => openStateDatabase(path, options));
    this.#named = new NamedFiles([path, `${path}-wal`]);
    this.#database.function(
      "holds",
      { deterministic: true },
      (text, part) => reasonHolds(String(text), String(part)) ? 1 : 0,
    );
  }

  /** @internal */
  load(): StateSnapshot {
    return {
      topics: topicsOf(this.#all(SELECT_TOPICS)),
      subscriptions: this.#all("SELECT * FROM subscriptions ORDER BY name").map(subscriptionOf),
      cursors: this.#all("SELECT * FROM cursors").map(cursorOf),
      done: this.#all("SELECT * FROM done ORDER BY subscription, topic, seq") as unknown as {
        subscription: string;
        topic: string;
        seq: number;
      }[],
      missed: this.#all("SELECT * FROM missed").map(missedRecordOf),
      retries: this.#all(
        `SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures
         FROM retries ORDER BY rowid`,
      ).map(waitingOf),
      unanswered: this.#all(
        "SELECT subscription, topic, id, seq, count FROM unanswered",
      ) as unknown as UnansweredRecord[],
      begun: this.#all("SELECT * FROM begun").map(begunOf),
      schemas: this.#all("SELECT * FROM schemas ORDER BY registered_at, rowid").map(schemaOf),
      levels: this.#all("SELECT type, level FROM schema_levels") as unknown as LevelRecord[],
      ends: this.#all(
        "SELECT topic, last_seq AS lastSeq FROM topic_ends",
      ) as unknown as TopicEndRecord[],
      generation: (this.#all("SELECT value FROM generation")[0]?.["value"] ?? 0) as number,
    };
  }

  /** @internal */
  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async commit(changes: readonly StateChange[], options: CommitOptions = {}): Promise<void> {
    this.commitSync(changes, options);
    if (options.sync !== false) this.#named.check();
  }

  /**
   * Synchronous {@link commit}, for the worker, which has nothing else to do meanwhile.
   * @internal
   */
  commitSync(changes: readonly StateChange[], { sync = true }: CommitOptions = {}): void {
    if (this.#failed !== undefined) throw asStateError(this.#failed);
    if (changes.length === 0) return;
    try {
      this.#synchronous(sync ? "FULL" : "NORMAL");
      // Prepared, because errors of `exec` carry no code, and a full disk would look like a bug.
      this.#prepare("BEGIN IMMEDIATE").run();
      for (const change of changes) {
        for (const { sql, values } of changeStatements(change)) this.#prepare(sql).run(...values);
      }
      this.#prepare("COMMIT").run();
    } catch (error) {
      // SQLite rolls back by itself after some errors, such as a full disk; then nothing is left to
      // do.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      const known = asStateError(error);
      // What a failed sync has stored is unknown: trust nothing until the file is opened and read
      // again.
      if (!(known instanceof CannotStoreError)) this.#failed = error;
      throw known;
    }
  }

  /**
   * With a write-ahead log, NORMAL means that a commit does not sync; the next commit that does
   * syncs it too.
   */
  #synchronous(mode: "FULL" | "NORMAL"): void {
    if (this.#mode === mode) return;
    this.#database.exec(`PRAGMA synchronous = ${mode}`);
    this.#mode = mode;
  }

  /** @internal */
  retry(subscription: string, topic: string, id: string): RetryRecord | undefined {
    const row = this.#prepare(
      "SELECT * FROM retries WHERE subscription = ? AND topic = ? AND id = ?",
    ).get(subscription, topic, id) as Row | undefined;
    return row && {
      ...waitingOf(row),
      ...linkOf(row),
      attempts: JSON.parse(row["attempts"] as string),
      line: row["line"] as Uint8Array,
    };
  }

  /** @internal */
  deadLetters(filter: DeadLetterFilter, page: DeadLetterPageRequest): DeadLetterPage {
    const { where, values } = conditionOf(filter);
    const order = page.oldest ? "number > ? ORDER BY number" : "number < ? ORDER BY number DESC";
    const rows = this.#all(
      `SELECT * FROM dead_letters WHERE ${where} AND ${order} LIMIT ?`,
      [...values, pageStart(page), page.limit + 1],
    );
    return nextAfter(
      rows.map((row) => ({ number: row["number"] as number, record: deadLetterOf(row) })),
      page.limit,
    );
  }

  /** @internal */
  countDeadLetters(filter: DeadLetterFilter): number {
    const { where, values } = conditionOf(filter);
    const [row] = this.#all(`SELECT count(*) AS n FROM dead_letters WHERE ${where}`, values);
    return row!["n"] as number;
  }

  deadLetterCounts(): Map<string, number> {
    const rows = this.#all(
      "SELECT subscription, count(*) AS n FROM dead_letters GROUP BY subscription",
    );
    return new Map(rows.map((row) => [row["subscription"] as string, row["n"] as number]));
  }

  /** @internal */
  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async close(): Promise<void> {
    this.closeSync();
  }

  /** Synchronous {@link close}. */
  closeSync(): void {
    this.#database.close();
    this.#lock?.release();
  }

  #all(sql: string, values: SQLInputValue[] = []): Row[] {
    return this.#prepare(sql).all(...values) as Row[];
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
}

/** The filter as SQL. Ids use the index first; then `SUBSCRIPTION:ID` is compared in full. */
function conditionOf(filter: DeadLetterFilter): { where: string; values: SQLInputValue[] } {
  const conditions = ["1"];
  const values: SQLInputValue[] = [];
  const add = (condition: string, value: SQLInputValue | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  if (filter.ids) {
    const candidates = filter.ids.flatMap((id) => [id, id.slice(id.indexOf(":") + 1)]);
    const asked = JSON.stringify(filter.ids);
    add("id IN (SELECT value FROM json_each(?))", JSON.stringify(candidates));
    conditions.push(
      `(id IN (SELECT value FROM json_each(?))
        OR subscription || ':' || id IN (SELECT value FROM json_each(?)))`,
    );
    values.push(asked, asked);
  }
  add("subscription = ?", filter.subscription);
  add("topic = ?", filter.topic);
  add("type = ?", filter.type);
  add("key = ?", filter.key);
  add("died_at >= ?", filter.since);
  add("died_at < ?", filter.before);
  add("holds(reason, ?)", filter.reason);
  return { where: conditions.join(" AND "), values };
}

/** SQLite's primary result codes that get special handling (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
/** The shared index of the write-ahead log could not grow, which amounts to a full disk. */
const SQLITE_IOERR_SHMSIZE = 10 | (19 << 8);

function asStateError(error: unknown): unknown {
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) return error;
  const message = (error as Error).message;
  switch (code === SQLITE_IOERR_SHMSIZE ? SQLITE_FULL : code & 0xff) {
    case SQLITE_FULL:
      return new CannotStoreError("the disk is full: nothing of this was kept", {
        code: "store/disk-full",
        cause: error,
        hint: "make room; it works again by itself",
      });
    case SQLITE_BUSY:
      return new CannotStoreError(`the state database is locked by another program: ${message}`, {
        code: "store/busy",
        cause: error,
        hint: "end the program that writes to state.db, then try again",
      });
    default:
      return new InternalError(`SQLite failed on the state (${code}): ${message}`, {
        cause: error,
        details: { errcode: code },
      });
  }
}
