/**
 * How events lie in SQLite.
 *
 * `log.line` is the wire line, whole: what a reader is sent is what was stored, and a page of it is put together by one
 * statement. `log.pos` is `topic << 36 | seq`: one integer key, so that an append goes to the end of one B-tree and a read
 * is one range. 2^36 events a topic, 2^17 topics: what a JavaScript number holds exactly. `blocks` sums up each 1,024 seqs
 * of a topic: the sparse index for seeking by time, by bytes and by our own ids. Given ids have a table of their own,
 * because only those are looked up for repeats. People and tools query the view `events`. SQLite has no checksums, so rows
 * carry ours (row_checksum.ts), and every read looks at them.
 */
import { DatabaseSync } from "node:sqlite";
import type { Durability } from "../../event/durability.ts";
import { DataDirError } from "../../base/errors.ts";
import { openReadOnly } from "./read_only.ts";
import { isMalformed } from "./checked_rows.ts";
import { repairWal } from "./salvage/repair_wal.ts";
import { APPLICATION_ID, EVENTS_FORMAT, migrateEvents, pragma } from "./migrations.ts";

/**
 * Opens the database, makes or migrates its tables, and sets how it syncs. `asFound`, with `readOnly`: nothing is made
 * beside it, either.
 */
export function openEventDatabase(
  path: string,
  options: { readOnly?: boolean; asFound?: boolean; durability?: Durability } = {},
): DatabaseSync {
  if (!options.readOnly) repairWal(path);
  const database = options.asFound
    ? openReadOnly(path)
    : new DatabaseSync(path, { readOnly: options.readOnly ?? false });
  try {
    database.exec("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF");
    refuseForeign(database, path);
    if (options.readOnly) return database;
    database.exec("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL");
    setSynchronous(database, options.durability ?? "always");
    database.exec(
      "PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096",
    );
    migrateEvents(database);
    return database;
  } catch (error) {
    database.close();
    throw asDataDirError(error, path);
  }
}

/** FULL syncs the log of every commit; NORMAL leaves that to the operating system. */
export function setSynchronous(database: DatabaseSync, durability: Durability): void {
  database.exec(`PRAGMA synchronous = ${durability === "always" ? "FULL" : "NORMAL"}`);
}

function asDataDirError(error: unknown, path: string): unknown {
  if (!isMalformed(error)) return error;
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
  if (format > EVENTS_FORMAT) {
    throw new DataDirError(
      "datadir/newer-format",
      `${path} has format ${format}, and this version reads up to ${EVENTS_FORMAT}; it was left untouched`,
      {
        hint: "use the newer version of evs that wrote it",
        details: { format, supported: EVENTS_FORMAT },
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
