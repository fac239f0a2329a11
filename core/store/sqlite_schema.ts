/**
 * How events lie in SQLite.
 *
 * `log.line` is the wire line, whole: what a reader is sent is what was stored, and a page of it is put together by one
 * statement. `log.pos` is `topic << 36 | seq`: one integer key, so that an append goes to the end of one B-tree and a read
 * is one range. 2^36 events a topic, 2^17 topics: what a JavaScript number holds exactly. `blocks` sums up each 1,024 seqs
 * of a topic: the sparse index for seeking by time, by bytes and by our own ids. Given ids have a table of their own,
 * because only those are looked up for repeats. People and tools query the view `events`.
 */
import { DatabaseSync } from "node:sqlite";
import { DataDirError } from "../errors.ts";

/** Bits of `pos` that hold the seq. */
const SEQ_SPAN = 2 ** 36;
/** The most topics that `pos` has room for. */
export const MAX_TOPICS = 2 ** 17 - 1;
/** Seqs summed up in one row of `blocks`. */
export const BLOCK = 1024;

/** The key of an event. */
export function position(topicId: number, seq: number): number {
  return topicId * SEQ_SPAN + seq;
}

/** The block that a seq is in. */
export function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK);
}

/** The format that this version writes, in `PRAGMA user_version`. Older ones are migrated, newer ones refused. */
export const FORMAT = 1;
/** "EVSE": marks the file as ours, in `PRAGMA application_id`. */
const APPLICATION_ID = 0x45565345;

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last_seq INTEGER NOT NULL DEFAULT 0   -- a floor: kept where the log no longer shows it
  );
  CREATE TABLE log (
    pos INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT,
    head INTEGER NOT NULL,                -- bytes of the line before the payload
    line BLOB NOT NULL                    -- as on the wire, without its line feed
  );
  CREATE INDEX log_key ON log (key, pos) WHERE key IS NOT NULL;
  CREATE TABLE blocks (
    topic INTEGER NOT NULL,
    block INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    max_timestamp INTEGER NOT NULL,
    min_id TEXT,                          -- of the ids that we made
    max_id TEXT,
    PRIMARY KEY (topic, block)
  ) WITHOUT ROWID;
  CREATE TABLE given_ids (
    topic INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (topic, id)
  ) WITHOUT ROWID;
  CREATE VIEW events AS
    SELECT topic, seq, line ->> '$.id' AS id, type, line ->> '$.timestamp' AS timestamp,
           strftime('%Y-%m-%dT%H:%M:%fZ', (line ->> '$.timestamp') / 1000.0, 'unixepoch') AS time,
           line ->> '$.schemaVersion' AS schema_version, key, line -> '$.metadata' AS metadata, payload
    FROM (
      SELECT t.name AS topic, l.pos - t.id * ${SEQ_SPAN} AS seq, l.type, l.key, CAST(l.line AS TEXT) AS line,
             CAST(substr(l.line, l.head + 1, length(l.line) - l.head - 1) AS TEXT) AS payload
      FROM topics t JOIN log l ON l.pos BETWEEN t.id * ${SEQ_SPAN} AND (t.id + 1) * ${SEQ_SPAN} - 1
    );
  `,
];

/** How much of a crash an append survives. `interval` and `os` survive a kill of the process, not a power cut. */
export type Durability = "always" | "os" | `interval:${number}`;

/** Opens the database, makes or migrates its tables, and sets how it syncs. */
export function openEventDatabase(
  path: string,
  options: { readOnly?: boolean; durability?: Durability } = {},
): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: options.readOnly ?? false });
  try {
    database.exec("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF");
    refuseForeign(database, path);
    if (options.readOnly) return database;
    database.exec("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL");
    // FULL syncs the log of every commit; NORMAL leaves that to the operating system.
    database.exec(
      `PRAGMA synchronous = ${(options.durability ?? "always") === "always" ? "FULL" : "NORMAL"}`,
    );
    database.exec(
      "PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096",
    );
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw asDataDirError(error, path);
  }
}

/** SQLite's codes for a file that is not a database, or no longer a sound one (https://sqlite.org/rescode.html). */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function asDataDirError(error: unknown, path: string): unknown {
  const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (code !== SQLITE_CORRUPT && code !== SQLITE_NOTADB) return error;
  return new DataDirError(
    "datadir/damaged",
    `${path} cannot be read as a database; it was left untouched`,
    {
      cause: error,
      hint: "keep a copy of it, then move it away or bring back a backup",
    },
  );
}

function refuseForeign(database: DatabaseSync, path: string): void {
  const format = pragma(database, "user_version");
  const application = pragma(database, "application_id");
  if (format > FORMAT) {
    throw new DataDirError(
      "datadir/newer-format",
      `${path} has format ${format}, and this version reads up to ${FORMAT}; it was left untouched`,
      {
        hint: "use the newer version of evs that wrote it",
        details: { format, supported: FORMAT },
      },
    );
  }
  const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number };
  if (application !== APPLICATION_ID && (application !== 0 || tables.n > 0)) {
    throw new DataDirError(
      "datadir/unsafe",
      `${path} is a SQLite database of something else; it was left untouched`,
      { hint: "move it away, or choose another data dir (EVS_DATA_DIR)" },
    );
  }
}

function migrate(database: DatabaseSync): void {
  const format = pragma(database, "user_version");
  for (let next = format; next < FORMAT; next++) {
    database.exec("BEGIN IMMEDIATE");
    database.exec(MIGRATIONS[next]!);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${next + 1}`);
    database.exec("COMMIT");
  }
}

function pragma(database: DatabaseSync, name: string): number {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[0]!;
}
