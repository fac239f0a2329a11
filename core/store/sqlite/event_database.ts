/**
 * How events are stored in SQLite.
 *
 * `log.line` is the whole wire line: readers get exactly what was stored, and one statement can
 * assemble a page. `log.pos` is `topic << 36 | seq`: a single integer key, so that an append goes
 * to the end of one B-tree and a read is one range. That allows 2^36 events per topic and 2^17
 * topics, which is what a JavaScript number holds exactly. `blocks` summarizes each 1,024 seqs of a
 * topic: the sparse index for seeking by time, by bytes and by generated ids. Given ids have their
 * own table, because only they are checked for duplicates. People and tools query the view
 * `events`. SQLite has no checksums, so rows carry ours (row_checksum.ts), and every read verifies
 * them.
 */
import { DatabaseSync } from "node:sqlite";
import type { Durability } from "../../event/durability.ts";
import { asUnreadable } from "./sqlite_error.ts";
import { openReadOnly } from "./read_only.ts";
import { repairWal } from "./salvage/repair_wal.ts";
import { APPLICATION_ID, EVENTS_FORMAT, migrateEvents } from "./migrations.ts";
import { asDataDirError, refuseForeign } from "./own_database.ts";

/**
 * Opens the database, creates or migrates its tables, and sets how it syncs. `asFound` (with
 * `readOnly`) creates no files beside it either.
 */
export function openEventDatabase(
  path: string,
  options: { readOnly?: boolean; asFound?: boolean; durability?: Durability } = {},
): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    if (!options.readOnly) repairWal(path);
    database = options.asFound
      ? openReadOnly(path)
      : new DatabaseSync(path, { readOnly: options.readOnly ?? false });
    database.exec("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF");
    refuseForeign(database, path, { application: APPLICATION_ID, format: EVENTS_FORMAT });
    if (options.readOnly) return database;
    database.exec("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL");
    setSynchronous(database, options.durability ?? "always");
    database.exec(
      "PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096",
    );
    migrateEvents(database);
    return database;
  } catch (error) {
    database?.close();
    throw asUnreadable(error, path) ?? asDataDirError(error, path);
  }
}

/** FULL syncs the log on every commit; NORMAL leaves that to the operating system. */
export function setSynchronous(database: DatabaseSync, durability: Durability): void {
  database.exec(`PRAGMA synchronous = ${durability === "always" ? "FULL" : "NORMAL"}`);
}
