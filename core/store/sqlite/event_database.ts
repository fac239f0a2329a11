/**
 * How events lie in SQLite.
 *
 * `log.line` is the wire line, whole: what a reader is sent is what was stored, and a page of it is
 * put together by one statement. `log.pos` is `topic << 36 | seq`: one integer key, so that an
 * append goes to the end of one B-tree and a read is one range. 2^36 events a topic, 2^17 topics:
 * what a JavaScript number holds exactly. `blocks` sums up each 1,024 seqs of a topic: the sparse
 * index for seeking by time, by bytes and by our own ids. Given ids have a table of their own,
 * because only those are looked up for repeats. People and tools query the view `events`. SQLite
 * has no checksums, so rows carry ours (row_checksum.ts), and every read looks at them.
 */
import { DatabaseSync } from "node:sqlite";
import type { Durability } from "../../event/durability.ts";
import { asUnreadable } from "./sqlite_error.ts";
import { openReadOnly } from "./read_only.ts";
import { repairWal } from "./salvage/repair_wal.ts";
import { APPLICATION_ID, EVENTS_FORMAT, migrateEvents } from "./migrations.ts";
import { asDataDirError, refuseForeign } from "./own_database.ts";

/**
 * Opens the database, makes or migrates its tables, and sets how it syncs. `asFound`, with
 * `readOnly`: nothing is made beside it, either.
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

/** FULL syncs the log of every commit; NORMAL leaves that to the operating system. */
export function setSynchronous(database: DatabaseSync, durability: Durability): void {
  database.exec(`PRAGMA synchronous = ${durability === "always" ? "FULL" : "NORMAL"}`);
}
