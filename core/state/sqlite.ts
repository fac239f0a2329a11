/**
 * The state in SQLite. Synchronous inside: a commit is one transaction with one sync. The daemon
 * writes in a worker and reads in its own thread through a second, read-only instance
 * (core/state/worker_state.ts).
 */
import { assertObject, assertPlace } from "../base/options.ts";
import type { AuditQuery, AuditRecord } from "../event/audit.ts";
import { reasonHolds } from "./reason.ts";
import { withoutTexts } from "./redactions.ts";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { NamedFiles } from "../base/named_files.ts";
import { CannotStoreError, isDiskFull } from "../base/errors.ts";
import { nextAfter, pageStart } from "./dead_letter_page.ts";
import { refuseFences } from "./fences.ts";
import { openStateDatabase } from "./migrations.ts";
import { type DatabaseLock, lockDatabase, openLocked } from "../store/sqlite/database_lock.ts";
import { LogGrowth } from "../store/sqlite/log_growth.ts";
import { beginScrub, endScrub, PageScrubber } from "../store/sqlite/scrub.ts";
import { atOnceOrInSteps } from "../store/sqlite/small_steps.ts";
import { asDataDirError } from "../store/sqlite/own_database.ts";
import { asSqliteStoreError, asUnreadable } from "../store/sqlite/sqlite_error.ts";
import {
  agesOf,
  begunOf,
  conditionOf,
  cursorOf,
  deadLetterOf,
  expiryClockOf,
  linkOf,
  missedRecordOf,
  redactionRecordOf,
  type Row,
  scheduledOf,
  schemaOf,
  SELECT_DEAD_LETTERS,
  SELECT_TOPICS,
  subscriptionOf,
  topicsOf,
  waitingOf,
} from "./rows.ts";
import type { GroupRecord } from "./group_rules.ts";
import { SqliteGroups } from "./sqlite_groups.ts";
import { changeStatements, removalSteps, type Statement } from "./sqlite_changes.ts";
import type {
  BoundDeadLetterFilter,
  CommitOptions,
  DeadLetterGroupCount,
  DeadLetterKey,
  DeadLetterKeysRequest,
  DeadLetterName,
  DeadLetterPage,
  DeadLetterPageRequest,
  ExpiredRecord,
  GroupTrendCount,
  ImportRecord,
  LevelRecord,
  RemovedDeadLetters,
  RetryRecord,
  State,
  StateChange,
  StateSnapshot,
  TopicEndRecord,
  UnansweredRecord,
} from "./state.ts";

/**
 * The most that the log may make the database grow by, bytes; the daemon reserves space for it
 * (core/store/sqlite/log_growth.ts).
 */
const GROWTH = 4 * 1024 * 1024;
/** Bytes of event lines between two checks of that. */
const LOOK_EVERY = 512 * 1024;

// The runtime keeps functions of a database for ever, and with them all that they could reach.
const holds = (text: SQLOutputValue, part: SQLOutputValue) =>
  reasonHolds(String(text), String(part)) ? 1 : 0;
const attemptsWithoutTexts = (attempts: SQLOutputValue) =>
  JSON.stringify(withoutTexts(JSON.parse(String(attempts))));

/**
 * A {@link State} in one SQLite file.
 *
 * ```ts
 * import { EventBroker, SqliteEventStore } from "@env/env-event-stream";
 *
 * const eventStore = new SqliteEventStore("./events.db");
 * await using broker = new EventBroker({ eventStore, state: new SqliteState("./state.db") });
 * ```
 */
export class SqliteState implements State {
  readonly #database: DatabaseSync;
  readonly #lock: DatabaseLock | undefined;
  readonly #named: NamedFiles;
  readonly #statements = new Map<string, StatementSync>();
  readonly #path: string;
  readonly #log: LogGrowth;
  readonly #scrubber: PageScrubber;
  readonly #groups: SqliteGroups;
  /** Bytes of event lines since the last check. */
  #unseen = 0;
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
    assertPlace(path, "the file of a SqliteState");
    const { readOnly, again, lock } = assertObject(options, "the options of SqliteState");
    const isOwn = !readOnly && again === undefined && lock !== false;
    this.#lock = isOwn ? lockDatabase(path) : undefined;
    this.#database = openLocked(this.#lock, () => openStateDatabase(path, options));
    this.#path = path;
    this.#scrubber = new PageScrubber(path);
    this.#log = new LogGrowth(this.#database, { path });
    this.#named = new NamedFiles([path, `${path}-wal`]);
    this.#database.function("holds", { deterministic: true }, holds);
    this.#database.function("without_texts", { deterministic: true }, attemptsWithoutTexts);
    this.#groups = new SqliteGroups({
      all: (sql, values) => this.#all(sql, values),
      run: (sql, values) => this.#run({ sql, values }),
    });
    if (!readOnly && again === undefined) this.#addOlderToGroups();
  }

  #addOlderToGroups(): void {
    try {
      this.#transaction(() => this.#groups.addOlder());
    } catch (error) {
      this.closeSync();
      throw error;
    }
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
      expired: this.#all(
        "SELECT subscription, topic, count FROM expired",
      ) as unknown as ExpiredRecord[],
      ...expiryClockOf(this.#all("SELECT skew, newest FROM expiry_clock")[0]),
      retries: this.#all(
        `SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures,
           edited_from
         FROM retries ORDER BY rowid`,
      ).map((row) => ({ ...waitingOf(row), ...linkOf(row) })),
      scheduled: this.#all(
        `SELECT number, topic, id, type, key, due_at, wait_ms, accepted_at, after_seq, stamped,
           redacted
         FROM scheduled ORDER BY number`,
      ).map(scheduledOf),
      unanswered: this.#all(
        "SELECT subscription, topic, id, seq, count FROM unanswered",
      ) as unknown as UnansweredRecord[],
      begun: this.#all("SELECT * FROM begun").map(begunOf),
      schemas: this.#all("SELECT * FROM schemas ORDER BY registered_at, rowid").map(schemaOf),
      levels: this.#all("SELECT type, level FROM schema_levels") as unknown as LevelRecord[],
      ends: this.#all(
        "SELECT topic, last_seq AS lastSeq FROM topic_ends",
      ) as unknown as TopicEndRecord[],
      imports: this.#all("SELECT * FROM imports") as unknown as ImportRecord[],
      deadLetterAges: agesOf(this.#all("SELECT ages FROM dead_letter_ages")[0]),
      removedDeadLetters: this.#all(
        "SELECT subscription, topic, expired, capped, last_at AS lastAt FROM removed_dead_letters",
      ) as unknown as RemovedDeadLetters[],
      redactions: this.#all("SELECT * FROM redactions").map(redactionRecordOf),
      jobs: this.#all("SELECT record FROM jobs ORDER BY number").map((row) =>
        JSON.parse(row["record"] as string)
      ),
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
  commitSync(changes: readonly StateChange[], { sync = true, fences }: CommitOptions = {}): void {
    refuseFences(fences);
    if (this.#failed !== undefined) throw this.#known(this.#failed);
    if (changes.length === 0) return;
    try {
      this.#synchronous(sync ? "FULL" : "NORMAL");
      this.#boundGrowth(changes);
      this.#commitWithRoom(changes);
      this.#log.stored();
    } catch (error) {
      const known = this.#known(error);
      // What a failed sync has stored is unknown: trust nothing until the file is opened and read
      // again.
      if (!(known instanceof CannotStoreError)) this.#failed = error;
      throw known;
    }
  }

  /** @internal */
  scrub(): Promise<void> {
    return Promise.try(() => this.scrubSync());
  }

  /**
   * Synchronous {@link scrub}.
   * @internal
   */
  scrubSync(): void {
    this.beginScrub();
    try {
      this.#scrubber.overwrite();
    } finally {
      this.endScrub();
    }
  }

  /**
   * Lets another thread overwrite what belongs to nothing, until {@link endScrub}.
   * @internal
   */
  beginScrub(): void {
    if (this.#failed !== undefined) throw this.#known(this.#failed);
    this.#synchronous("FULL");
    beginScrub(this.#database, this.#path);
  }

  /** @internal */
  endScrub(): void {
    endScrub(this.#database);
  }

  /** Commits; on a full disk it restarts the log and tries again. */
  #commitWithRoom(changes: readonly StateChange[]): void {
    try {
      return this.#transaction(() => this.#apply(changes));
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
    this.#log.refused();
    for (const change of changes) {
      if (change.op === "subscription.remove") this.#emptyInSteps(change.name);
    }
    this.#log.restart("RESTART");
    this.#transaction(() => this.#apply(changes));
  }

  /** Deletes most of what belongs to a subscription in steps, before it is removed. */
  #emptyInSteps(name: string): void {
    const [first, ...others] = removalSteps(name);
    let removed = 0;
    for (const { sql, values } of others) {
      atOnceOrInSteps(this.#log, {
        atOnce: () => {},
        step: (rows) =>
          this.#transaction(() => {
            // A removal that is interrupted leaves a subscription that says so.
            this.#run(first!);
            const count = this.#run({ sql, values: [...values, rows] });
            removed += count;
            return count === rows;
          }),
        done: () =>
          removed === 0
            ? undefined
            : `a part of ${name} was removed (${removed} rows); it stays paused, and is still there`,
      });
    }
  }

  #apply(changes: readonly StateChange[]): void {
    this.#groups.begin();
    for (const change of changes) {
      changeStatements(change).forEach((one) => this.#run(one));
      this.#groups.apply(change);
    }
    this.#groups.flush();
  }

  #run({ sql, values }: Statement): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #transaction<T>(work: () => T): T {
    try {
      // Prepared, because errors of `exec` carry no code, and a full disk would look like a bug.
      this.#prepare("BEGIN IMMEDIATE").run();
      const result = work();
      this.#prepare("COMMIT").run();
      return result;
    } catch (error) {
      // SQLite rolls back by itself after some errors, such as a full disk; then nothing is left to
      // do.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw this.#known(error);
    }
  }

  /** Limits what the database has to grow by, or refuses the commit. */
  #boundGrowth(changes: readonly StateChange[]): void {
    for (const change of changes) {
      if (
        change.op === "retry.put" || change.op === "dead.put" || change.op === "scheduled.put"
      ) {
        this.#unseen += change.record.line.length;
      }
    }
    if (this.#unseen < LOOK_EVERY) return;
    if (this.#log.pending() > GROWTH) this.#log.restart("PASSIVE");
    this.#unseen = 0;
  }

  #known(error: unknown): unknown {
    const [path, name] = [this.#path, "state database"];
    return asSqliteStoreError(error, { path, name, kept: "nothing of this was kept" });
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
  scheduledLine(number: number): Uint8Array | undefined {
    const [row] = this.#all("SELECT line FROM scheduled WHERE number = ?", [number]);
    return row?.["line"] as Uint8Array | undefined;
  }

  /** @internal */
  deadLetters(filter: BoundDeadLetterFilter, page: DeadLetterPageRequest): DeadLetterPage {
    const { where, values } = conditionOf(filter);
    const order = page.oldest ? "number > ? ORDER BY number" : "number < ? ORDER BY number DESC";
    const rows = this.#all(
      `${SELECT_DEAD_LETTERS} WHERE ${where} AND ${order} LIMIT ?`,
      [...values, pageStart(page), page.limit + 1],
    );
    return nextAfter(
      rows.map((row) => ({ number: row["number"] as number, record: deadLetterOf(row) })),
      page.limit,
    );
  }

  /** @internal */
  countDeadLetters(filter: BoundDeadLetterFilter): number {
    const { where, values } = conditionOf(filter);
    const [row] = this.#all(`SELECT count(*) AS n FROM dead_letters WHERE ${where}`, values);
    return row!["n"] as number;
  }

  /** @internal */
  deadLetterKeys(request: DeadLetterKeysRequest): DeadLetterKey[] {
    const { topic, subscription, after, upTo, limit, newest } = request;
    const { where, values } = given([
      ["topic = ?", topic],
      ["subscription = ?", subscription],
      ["number > ?", after],
      ["number <= ?", upTo],
    ]);
    return this.#all(
      `SELECT subscription, topic, id, number, died_at AS diedAt FROM dead_letters
       WHERE ${where} ORDER BY number ${newest ? "DESC" : "ASC"} LIMIT ?`,
      [...values, limit],
    ) as unknown as DeadLetterKey[];
  }

  /** @internal */
  jobPart(job: number, part: number): DeadLetterName[] | undefined {
    const [row] = this.#all("SELECT entries FROM job_parts WHERE job = ? AND part = ?", [
      job,
      part,
    ]);
    return row && JSON.parse(row["entries"] as string);
  }

  /** @internal */
  audit({ since, act, topic, subscription, before, limit }: AuditQuery): AuditRecord[] {
    const { where, values } = given([
      ["at >= ?", since],
      ["act = ?", act],
      ["topic = ?", topic],
      ["subscription = ?", subscription],
      ["number < ?", before],
    ]);
    const sql = `SELECT number, record FROM audit WHERE ${where} ORDER BY number DESC LIMIT ?`;
    return this.#all(sql, [...values, limit]).map(({ number, record }) => ({
      number: number as number,
      ...JSON.parse(record as string),
    }));
  }

  deadLetterCounts(): Map<string, number> {
    const rows = this.#all(
      "SELECT subscription, count(*) AS n FROM dead_letters GROUP BY subscription",
    );
    return new Map(rows.map((row) => [row["subscription"] as string, row["n"] as number]));
  }

  /** @internal */
  deadLetterGroups(): GroupRecord[] {
    return this.#groups.all();
  }

  /** @internal */
  deadLetterGroupCounts(): DeadLetterGroupCount[] {
    return this.#groups.members();
  }

  /** @internal */
  closedDeadLetterCounts(): Map<string, number> {
    return this.#groups.closedCounts();
  }

  /** @internal */
  deadLetterTrend(end: number): GroupTrendCount[] {
    return this.#groups.trend(end);
  }

  /** @internal */
  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async close(): Promise<void> {
    this.closeSync();
  }

  /** Synchronous {@link close}. */
  closeSync(): void {
    this.#database.close();
    this.#scrubber.close();
    this.#lock?.release();
  }

  #all(sql: string, values: SQLInputValue[] = []): Row[] {
    try {
      return this.#prepare(sql).all(...values) as Row[];
    } catch (error) {
      // SQLite also calls a page malformed that it could not read.
      throw asUnreadable(error, this.#path) ?? asDataDirError(error, this.#path);
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
}

/** The conditions whose value is given. */
function given(
  conditions: readonly [condition: string, value: SQLInputValue | undefined][],
): { where: string; values: SQLInputValue[] } {
  const those = conditions.filter(([, value]) => value !== undefined);
  return {
    where: ["1", ...those.map(([condition]) => condition)].join(" AND "),
    values: those.map(([, value]) => value!),
  };
}
