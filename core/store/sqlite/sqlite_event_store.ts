/**
 * Events in SQLite: the daemon's default store. Any SQLite tool can query them (the view `events`).
 *
 * Synchronous inside: one `append` is one transaction, with several rows per statement. The daemon
 * runs this class in a worker (core/store/worker/sqlite_worker_store.ts); an application may run it
 * in its own thread.
 */
import { assertObject, assertPlace } from "../../base/options.ts";
import type { DatabaseSync } from "node:sqlite";
import { type Clock, systemClock } from "../../base/clock.ts";
import { NamedFiles } from "../../base/named_files.ts";
import { isDiskFull } from "../../base/errors.ts";
import { type Event, toEvent } from "../../event/event.ts";
import { type DedupWindow, DEFAULT_DEDUP_WINDOW_MS } from "../dedup.ts";
import { isMalformed } from "./checked_rows.ts";
import { type DatabaseLock, lockDatabase, openLocked } from "./database_lock.ts";
import { addRange, type Damage, type Found } from "../damage.ts";
import { GivenIdSweep, looksFor } from "./given_id_sweep.ts";
import { type KeptRoom, LogGrowth } from "./log_growth.ts";
import type { StoreRequest } from "../pack.ts";
import { markForSalvage, openOrSalvage } from "./salvage_database.ts";
import type { SqliteAges } from "./ages.ts";
import { SqliteAppender } from "./appender.ts";
import { SqliteKeyCounts } from "./key_counts.ts";
import { readBlock, rebuildBlock, writeBlock } from "./blocks.ts";
import { redactRow } from "./redact.ts";
import { PageScrubber } from "./scrub.ts";
import { DamageRegister } from "./damage_register.ts";
import { asSqliteStoreError } from "./sqlite_error.ts";
import { blockOf, position } from "./position.ts";
import { SqliteReader } from "./reader.ts";
import type { Durability } from "../../event/durability.ts";
import { atOnceOrInSteps } from "./small_steps.ts";
import { setSynchronous } from "./event_database.ts";
import { type TopicRow, writeTopic } from "./topics.ts";
import type { Prepare } from "./statements.ts";
import type {
  AppendOptions,
  AppendOutcome,
  AtomicGroup,
  EventQuery,
  JournalStore,
  RedactRequest,
} from "../store.ts";
import { appendInGroups } from "../atomic_group.ts";
import { ForwardingStore } from "../forwarding_store.ts";
import type { SyncEventReader } from "../reader.ts";

/** How a {@link SqliteEventStore} opens its file. */
export interface SqliteStoreOptions extends DedupWindow {
  /** Default `always`: an append resolves when it survives a power cut. */
  durability?: Durability;
  /** Default: the real one. */
  clock?: Clock;
  /**
   * False: the caller has already locked the folder of the database.
   * @internal
   */
  lock?: false;
  /**
   * The space reserve for a full disk; absent: none is kept.
   * @internal
   */
  room?: KeptRoom | undefined;
}

/**
 * A {@link JournalStore} in one SQLite file.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker({ eventStore: new SqliteEventStore("./events.db") });
 * ```
 */
export class SqliteEventStore extends ForwardingStore implements JournalStore {
  readonly kind = "sqlite";
  readonly atomic = true;
  readonly countsKeys = true;
  readonly durable: boolean;
  readonly #durability: Durability;
  /** Whether the database is currently set to sync every commit. */
  #syncsEach: boolean;
  /** The name of the log would survive a power cut. */
  #isLogNamed = false;
  readonly #path: string;
  readonly #named: NamedFiles;
  readonly #database: DatabaseSync;
  readonly #dedupWindow: number;
  readonly #prepare: Prepare;
  readonly #damage: DamageRegister;
  readonly #topics: Map<string, TopicRow>;
  readonly #reader: SqliteReader;
  readonly #appender: SqliteAppender;
  readonly #ages: SqliteAges;
  readonly #keyCounts: SqliteKeyCounts;
  readonly #sweep = new GivenIdSweep();
  readonly #lock: DatabaseLock | undefined;
  readonly #log: LogGrowth;
  readonly #scrubber: PageScrubber;

  /**
   * Opens or creates the database at `path`. Throws `DataDirError` if it is in use, has a newer
   * format or is not one of ours.
   */
  constructor(path: string, options: SqliteStoreOptions = {}) {
    super();
    assertPlace(path, "the file of a SqliteEventStore");
    assertObject(options, "the options of SqliteEventStore");
    this.#durability = options.durability ?? "always";
    this.durable = this.#syncsEach = this.#durability === "always";
    const clock = options.clock ?? systemClock;
    const dedupWindow = this.#dedupWindow = options.dedupWindow ?? DEFAULT_DEDUP_WINDOW_MS;
    this.#path = path;
    this.#scrubber = new PageScrubber(path);
    this.#lock = options.lock === false ? undefined : lockDatabase(path);
    const opened = openLocked(this.#lock, () => openOrSalvage(path, { ...options, clock }));
    const { database, prepare, topics, found } = opened;
    this.#database = database;
    this.#prepare = prepare;
    this.#topics = topics;
    this.#log = new LogGrowth(database, { path, room: options.room, clock });
    this.#damage = new DamageRegister(prepare, clock);
    this.#ages = opened.ages;
    this.#keyCounts = new SqliteKeyCounts(prepare);
    this.#appender = new SqliteAppender({
      database,
      prepare,
      topics,
      ages: this.#ages,
      keyCounts: this.#keyCounts,
      dedupWindow,
    });
    this.#reader = new SqliteReader(database, {
      topics,
      report: (what) => this.report(what),
    });
    for (const what of found) this.report(what);
    this.#named = new NamedFiles([path, `${path}-wal`]);
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async append(
    requests: readonly StoreRequest[],
    options: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    const outcomes = this.appendSync(requests, options);
    this.assertNamed();
    return outcomes;
  }

  /**
   * Throws `DataDirError` if the database or its log was removed: what is stored now would be lost.
   * @internal
   */
  assertNamed(): void {
    this.#named.check();
  }

  /** Synchronous {@link append}, for the worker, which has nothing else to do meanwhile. */
  appendSync(
    requests: readonly StoreRequest[],
    { durability = this.#durability, groups }: AppendOptions = {},
  ): AppendOutcome[] {
    this.#log.admit(requests);
    this.#noteClock();
    const outcomes = this.#transaction(
      () =>
        appendInGroups(requests, groups, {
          store: (request) => this.#appender.append(request),
          lookups: (topic) => this.#appender.lookups(topic),
        }),
      durability,
    );
    this.#appender.commit();
    this.#log.stored();
    return outcomes;
  }

  /**
   * {@link appendSync} without the sync, for callers that sync the log themselves. The first one is
   * synced here: then the folder that the log is in is synced, too.
   * @internal
   */
  appendUnsynced(
    requests: readonly StoreRequest[],
    groups?: readonly AtomicGroup[],
  ): AppendOutcome[] {
    const outcomes = this.appendSync(requests, {
      durability: this.#isLogNamed ? "os" : "always",
      groups,
    });
    this.#isLogNamed = true;
    return outcomes;
  }

  /**
   * Tells whether the space reserve may be kept, or is about to be released for a deletion.
   * @internal
   */
  keepRoomSync(keeps: boolean): void {
    this.#log.keep(keeps);
  }

  #syncEach(durability: Durability): void {
    const each = durability === "always";
    if (each === this.#syncsEach || this.#database.isTransaction) return;
    setSynchronous(this.#database, durability);
    this.#syncsEach = each;
  }

  /**
   * What is known of a topic; the worker sends it to the reading thread.
   * @internal
   */
  topicRow(name: string): TopicRow | undefined {
    return this.#topics.get(name);
  }

  /**
   * What is known of all topics.
   * @internal
   */
  topicRows(): TopicRow[] {
    return [...this.#topics.values()];
  }

  /** The damage found so far; see `evs doctor`. */
  damage(): readonly Damage[] {
    return this.#damage.list();
  }

  /** Accepts the damage found so far: it no longer degrades the store's health. */
  acceptDamage(): void {
    this.#syncEach(this.#durability);
    this.#damage.accept();
  }

  /**
   * Records damage that a read has found, on this or another connection.
   * @internal
   */
  report(told: Found): void {
    const row = this.#topics.get(told.topic);
    this.#syncEach(this.#durability);
    // A reader on another thread learns of retention a moment later: what it misses there was
    // deleted on purpose.
    if (told.lost && row && told.lastSeq < row.firstSeq) return;
    const found = told.lost && row
      ? { ...told, firstSeq: Math.max(told.firstSeq, row.firstSeq) }
      : told;
    if (!this.#damage.add(found) || !found.lost || !row) return;
    const holes = addRange(row.holes ?? [], [found.firstSeq, found.lastSeq]);
    this.#topics.set(row.name, { ...row, holes });
  }

  /** @internal */
  protected readerOf(): SyncEventReader {
    return this.#reader;
  }

  topics(): string[] {
    return this.#reader.topics();
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async seekAge(topic: string, age: number): Promise<number> {
    return this.seekAgeSync(topic, age);
  }

  /** Synchronous {@link seekAge}. */
  seekAgeSync(topic: string, age: number): number {
    const row = this.#topics.get(topic);
    if (!row) return 1;
    this.#noteClock();
    // A transaction because it may write estimates for older formats.
    const seq = this.#transaction(() => this.#ages.seek(row, age));
    this.#ages.commit();
    return seq;
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async truncate(topic: string, seq: number): Promise<number> {
    return this.truncateSync(topic, seq);
  }

  /** Synchronous {@link truncate}. */
  truncateSync(name: string, seq: number): number {
    const row = this.#topics.get(name);
    if (!row) return 0;
    const to = Math.min(seq, row.lastSeq + 1);
    if (to <= row.firstSeq) return 0;
    atOnceOrInSteps(this.#log, {
      atOnce: () => this.#cut(name, to),
      step: (rows) => {
        const next = this.#topics.get(name)!.firstSeq + rows;
        this.#cut(name, Math.min(next, to));
        return next < to;
      },
      done: () => {
        const { firstSeq } = this.#topics.get(name)!;
        if (firstSeq === row.firstSeq) return undefined;
        return `events ${row.firstSeq} to ${firstSeq - 1} of ${name} were deleted, ` +
          `${firstSeq} to ${to - 1} were not`;
      },
    });
    return to - row.firstSeq;
  }

  /** Deletes the events below `to` (at least one) in one transaction. */
  #cut(name: string, to: number): void {
    const row = this.#topics.get(name)!;
    const count = to - row.firstSeq;
    const base = position(row.id, 0);
    this.#noteClock();
    const bytes = this.#transaction(() => {
      writeTopic(this.#prepare, row);
      const partial = blockOf(to);
      const place = { topic: row.id, block: partial };
      this.#prepare("DELETE FROM log WHERE pos >= ? AND pos < ?").run(
        base + row.firstSeq,
        base + to,
      );
      this.#prepare("DELETE FROM blocks WHERE topic = ? AND block < ?").run(row.id, partial);
      const block = readBlock(place, this.#prepare);
      if (block && to > block.last) {
        this.#prepare("DELETE FROM blocks WHERE topic = ? AND block = ?").run(row.id, partial);
      } else if (block) {
        const rest = rebuildBlock(this.#prepare, place);
        writeBlock({ ...rest ?? block, first: to, last: block.last }, this.#prepare);
      }
      this.#ages.truncate(row.id, to);
      const receivedAt = this.#ages.now() - this.#dedupWindow;
      this.#sweep.pass(this.#prepare, { topic: row.id, before: to, receivedAt }, looksFor(count));
      return (this.#prepare("SELECT ifnull(sum(bytes), 0) AS bytes FROM blocks WHERE topic = ?")
        .get(row.id) as {
          bytes: number;
        }).bytes;
    });
    this.#appender.forget(row.id);
    this.#topics.set(name, { ...this.#topics.get(name)!, firstSeq: to, bytes });
  }

  redact(topic: string, request: RedactRequest): Promise<boolean> {
    return Promise.try(() => this.redactSync(topic, request));
  }

  /** Synchronous {@link redact}. */
  redactSync(name: string, request: RedactRequest): boolean {
    const row = this.#topics.get(name);
    const after = row &&
      this.#transaction(() =>
        redactRow({ prepare: this.#prepare, keyCounts: this.#keyCounts }, row, request)
      );
    if (after) {
      this.#appender.forget(after.id);
      this.#topics.set(name, after);
    }
    // The bytes of one that retention has deleted are still in the files.
    this.#scrubber.scrub(this.#database);
    return after !== undefined;
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async raise(topic: string, lastSeq: number): Promise<void> {
    this.raiseSync(topic, lastSeq);
  }

  /** Synchronous {@link raise}. */
  raiseSync(name: string, lastSeq: number): void {
    const before = this.#topics.get(name);
    if (before && before.lastSeq >= lastSeq) return;
    const row = this.#transaction(() => {
      const row = before ?? this.#appender.addTopic(name);
      const raised = { ...row, lastSeq, firstSeq: hasEvents(row) ? row.firstSeq : lastSeq + 1 };
      writeTopic(this.#prepare, raised);
      if (before) this.#keyCounts.lost(row.id, lastSeq);
      const block = hasEvents(row)
        ? readBlock({ topic: row.id, block: blockOf(row.lastSeq) }, this.#prepare)
        : undefined;
      // The next event may belong to the same block: put it after the lost ones.
      if (block && blockOf(lastSeq + 1) === block.block) {
        writeBlock({ ...block, last: lastSeq }, this.#prepare);
      }
      return { row, raised };
    });
    this.#appender.forget(row.row.id);
    this.#topics.set(name, row.raised);
    if (!hasEvents(row.row)) return;
    this.report({
      topic: name,
      firstSeq: row.row.lastSeq + 1,
      lastSeq,
      what: "gone: the database is older than what is known of it",
      lost: true,
    });
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async removeTopic(topic: string): Promise<void> {
    this.removeTopicSync(topic);
  }

  /** Synchronous {@link removeTopic}. */
  removeTopicSync(topic: string): void {
    const row = this.#topics.get(topic);
    if (!row) return;
    this.truncateSync(topic, row.lastSeq + 1);
    const all = "DELETE FROM given_ids WHERE topic = ?";
    const some = `${all} AND id IN (SELECT id FROM given_ids WHERE topic = ? LIMIT ?)`;
    atOnceOrInSteps(this.#log, {
      atOnce: () => this.#transaction(() => void this.#prepare(all).run(row.id)),
      step: (rows) =>
        this.#transaction(() => this.#prepare(some).run(row.id, row.id, rows).changes) === rows,
      done: () => `the events of ${topic} were deleted, a part of their ids was not`,
    });
    this.#sweep.forget(row.id);
    this.#keyCounts.removed(row.id);
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    return Promise.resolve(this.#reader.getEvents(topic, options).map((stored) => toEvent(stored)));
  }

  /** Closes the database and releases its lock. */
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

  /** This may write, and a failed append must not roll that back. */
  #noteClock(): void {
    try {
      this.#ages.now();
    } catch (error) {
      throw asSqliteStoreError(error, { path: this.#path });
    }
  }

  /** `durability`: of this one; what is not an append is as durable as the store. */
  #transaction<T>(work: () => T, durability = this.#durability): T {
    this.#syncEach(durability);
    try {
      // Prepared, because errors of `exec` carry no code, and a full disk would look like a bug.
      this.#prepare("BEGIN IMMEDIATE").run();
      const result = work();
      this.#prepare("COMMIT").run();
      return result;
    } catch (error) {
      this.#appender?.rollback();
      this.#rollback();
      // The damaged page may be one that only writes need (of an index): the next open salvages the
      // file.
      if (isMalformed(error)) markForSalvage(this.#path);
      const known = asSqliteStoreError(error, { path: this.#path });
      if (isDiskFull(known)) this.#log.refused();
      throw known;
    }
  }

  #rollback(): void {
    // SQLite rolls back by itself after some errors, such as a full disk; then nothing is left to
    // do.
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }
}

const hasEvents = ({ firstSeq, lastSeq }: TopicRow) => firstSeq <= lastSeq;
