/**
 * Opens an event database, and salvages one that SQLite can no longer read: its rows are extracted
 * from its pages, each verified by its checksum, and put into a new database. The old one is kept
 * unchanged in the quarantine.
 */
import type { DatabaseSync } from "node:sqlite";
import { DataDirError } from "../../base/errors.ts";
import { exists, ifThere } from "../../base/if_there.ts";
import type { Clock } from "../../base/clock.ts";
import type { Durability } from "../../event/durability.ts";
import { fromWireLine } from "../../event/event.ts";
import { type CarvedRecord, recordsOf } from "./salvage/carve.ts";
import type { Found } from "../damage.ts";
import { moveAside } from "../quarantine.ts";
import { SqliteAges } from "./ages.ts";
import { keptCountOfRecord, SqliteKeyCounts, writeKeptCount } from "./key_counts.ts";
import { isMalformed } from "./checked_rows.ts";
import { holdsLine, rowSum, typeTag } from "./row_checksum.ts";
import { blockOfRecord, rebuildBlocks } from "./blocks.ts";
import { position, SEQ_SPAN } from "./position.ts";
import { openEventDatabase } from "./event_database.ts";
import { structureFaults } from "./integrity.ts";
import { asDataDirError } from "./own_database.ts";
import { asSqliteStoreError, asUnreadable } from "./sqlite_error.ts";
import { loadTopics, type TopicRow, writeTopic } from "./topics.ts";
import { type Prepare, statementsOf } from "./statements.ts";
import { framesOf, readWal } from "./salvage/wal_frames.ts";

const PAGE_SIZE = 16384;
/** Matches the ids that we generate; others were given, and are checked for duplicates. */
const OWN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** Rows per transaction. */
const AT_ONCE = 10_000;

/** Suffix of a marker file beside a database that SQLite could no longer write to. */
const MARK = "-malformed";

/** Marks the database, so that the next open checks and salvages it. */
export function markForSalvage(path: string): void {
  Deno.writeTextFileSync(`${path}${MARK}`, "", { mode: 0o600 });
}

/** Removes the mark: the database was checked and is intact. */
export function unmark(path: string): void {
  ifThere(() => Deno.removeSync(`${path}${MARK}`));
}

/** True if the database is marked. */
export function isMarked(path: string): boolean {
  return exists(`${path}${MARK}`);
}

interface Row {
  pos: number;
  head: number;
  line: Uint8Array;
}

/**
 * Rebuilds the database at `path` from the rows that are intact. Returns false, and changes
 * nothing, if none are.
 */
export function salvage(path: string, { clock }: { clock: Clock }): boolean {
  const pages = new Pages(path);
  const made = `${path}.salvaged`;
  let rows = 0;
  try {
    if (pages.rows().next().done) return false;
    removeIfThere(made);
    rows = fill(made, pages, clock);
  } finally {
    pages.close();
  }
  const what =
    `SQLite could no longer read it; ${rows} intact events were salvaged, and those missing ` +
    "between them are reported when they are read";
  moveAside([path, `${path}-wal`, `${path}-shm`, `${path}${MARK}`], { what, now: clock.now() });
  Deno.renameSync(made, path);
  return true;
}

function fill(path: string, pages: Pages, clock: Clock): number {
  Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
  const database = openEventDatabase(path);
  const prepare = statementsOf(database);
  const topics = new Map<number, { name: string; lastSeq: number }>();
  let count = 0;
  try {
    prepare("BEGIN").run();
    for (const { pos, head, line } of pages.rows()) {
      const event = fromWireLine(line, head);
      const sum = rowSum(line, { pos, head, tag: typeTag(event.type) });
      const { changes } = prepare("INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?, ?, ?)")
        .run(pos, event.type, event.key ?? null, head, sum, line);
      if (Number(changes) === 0) continue;
      const id = Math.floor(pos / SEQ_SPAN);
      if (!topics.has(id)) topics.set(id, { name: event.topic, lastSeq: 0 });
      if (!OWN_ID.test(event.id)) {
        prepare("INSERT OR REPLACE INTO given_ids VALUES (?, ?, ?, ?)")
          .run(id, event.id, pos - position(id, 0), clock.now());
      }
      if (++count % AT_ONCE === 0) {
        prepare("COMMIT").run();
        prepare("BEGIN").run();
      }
    }
    // Where a topic ended is known even if its last events are gone: their seqs are not reused.
    for (const { topic, last } of pages.blocks()) {
      const known = topics.get(topic);
      if (known) known.lastSeq = Math.max(known.lastSeq, last);
    }
    for (const kept of pages.keptCounts()) writeKeptCount(prepare, kept);
    const keyCounts = new SqliteKeyCounts(prepare);
    for (const [id, { name, lastSeq }] of topics) {
      writeTopic(prepare, { id, name, lastSeq });
      const lost = lastMissing(prepare, id, lastSeq);
      if (lost > 0) keyCounts.lost(id, lost);
    }
    rebuildBlocks(prepare);
    prepare("COMMIT").run();
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    database.close();
  }
  return count;
}

/** The last seq of a topic whose event was not found, above the first that was; 0 if there is none. */
function lastMissing(prepare: Prepare, topic: number, lastSeq: number): number {
  const base = position(topic, 0);
  let seq = lastSeq;
  const rows = prepare("SELECT pos FROM log WHERE pos BETWEEN ? AND ? ORDER BY pos DESC")
    .iterate(base, base + lastSeq) as unknown as Iterable<{ pos: number }>;
  for (const { pos } of rows) if (pos - base !== seq--) return seq + 1;
  return 0;
}

/** The pages of a database; a page in its log takes precedence over the file's. */
class Pages {
  readonly #file: Deno.FsFile;
  readonly #fromLog = new Map<number, Uint8Array>();
  readonly #size: number;
  readonly #count: number;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { read: true });
    const log = ifThere(() => Deno.readFileSync(`${path}-wal`));
    const report = log && readWal(log);
    if (report) { for (const { page, data } of framesOf(report)) this.#fromLog.set(page, data); }
    this.#size = report?.pageSize ?? PAGE_SIZE;
    const inFile = Math.ceil(this.#file.statSync().size / this.#size);
    this.#count = Math.max(inFile, ...this.#fromLog.keys());
  }

  /** The intact rows of the log, in page order. */
  *rows(): Generator<Row, void, undefined> {
    for (const { rowid: pos, values } of this.#records()) {
      const [, , , head, sum, line] = values;
      const fits = pos !== undefined && values.length === 6 && typeof head === "number" &&
        typeof sum === "number" && line instanceof Uint8Array;
      if (fits && holdsLine(sum, { line, pos, head })) yield { pos, head, line };
    }
  }

  /** The intact rows of `blocks`. */
  *blocks() {
    for (const { rowid, values } of this.#records()) {
      const block = rowid === undefined ? blockOfRecord(values) : undefined;
      if (block) yield block;
    }
  }

  /** The intact rows of `key_counts`. */
  *keptCounts() {
    for (const { rowid, values } of this.#records()) {
      const kept = rowid === undefined ? keptCountOfRecord(values) : undefined;
      if (kept) yield kept;
    }
  }

  *#records(): Generator<CarvedRecord, void, undefined> {
    const pageOf = (number: number) => this.#page(number);
    for (let number = 1; number <= this.#count; number++) {
      const page = this.#page(number);
      if (page) yield* recordsOf(page, { number, pageOf });
    }
  }

  #page(number: number): Uint8Array | undefined {
    const known = this.#fromLog.get(number);
    if (known || number < 1 || number > this.#count) return known;
    const page = new Uint8Array(this.#size);
    this.#file.seekSync((number - 1) * this.#size, Deno.SeekMode.Start);
    for (let at = 0; at < page.length;) {
      const n = this.#file.readSync(page.subarray(at));
      if (n === null) break;
      at += n;
    }
    return page;
  }

  close(): void {
    this.#file.close();
  }
}

function removeIfThere(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) ifThere(() => Deno.removeSync(path + suffix));
}

/** A database that was opened, and what was found in it. */
export interface Opened {
  ages: SqliteAges;
  database: DatabaseSync;
  prepare: Prepare;
  topics: Map<string, TopicRow>;
  found: Found[];
}

/** Opens the database. One that SQLite can no longer read is rebuilt from its pages, once. */
export function openOrSalvage(
  path: string,
  options: { durability?: Durability; clock: Clock },
): Opened {
  try {
    return openSound(path, options);
  } catch (error) {
    if (!isDamaged(error)) throw asUnreadable(error, path) ?? asSqliteStoreError(error, { path });
  }
  // Try twice: the failed read may have been the machine's fault, and an intact database must not
  // be rebuilt.
  try {
    return openSound(path, options);
  } catch (error) {
    if (!isDamaged(error) || !salvage(path, options)) {
      throw asUnreadable(error, path) ?? asSqliteStoreError(asDataDirError(error, path), { path });
    }
    return openAndLoad(path, options);
  }
}

function isDamaged(error: unknown): boolean {
  return isMalformed(error) || error instanceof DataDirError && error.code === "datadir/damaged";
}

/**
 * Opens the database. If an earlier write failed because of damage, its structure is checked first.
 */
function openSound(path: string, options: { durability?: Durability; clock: Clock }): Opened {
  const opened = openAndLoad(path, options);
  if (!isMarked(path)) return opened;
  const [fault] = structureFaults(opened.database);
  if (fault === undefined) {
    unmark(path);
    return opened;
  }
  opened.database.close();
  throw new DataDirError("datadir/damaged", `${path} cannot be written to: ${fault}`);
}

function openAndLoad(path: string, options: { durability?: Durability; clock: Clock }): Opened {
  const database = openEventDatabase(path, options);
  try {
    const prepare = statementsOf(database);
    const found: Found[] = [];
    prepare("BEGIN IMMEDIATE").run();
    const topics = loadTopics({ prepare, report: (what) => void found.push(what), write: true });
    // SQLite rolls back if a read fails because of the machine, even if somebody caught the error.
    if (!database.isTransaction) throw asUnreadable(new Error("disk I/O error"), path);
    prepare("COMMIT").run();
    const isInTransaction = () => database.isTransaction;
    const ages = new SqliteAges(prepare, { clock: options.clock, isInTransaction });
    return { database, prepare, topics, found, ages };
  } catch (error) {
    database.close();
    throw error;
  }
}
