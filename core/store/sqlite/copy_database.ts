/**
 * A consistent copy of a database that may be in use: SQLite's online backup, which copies one
 * snapshot page by page.
 */
import { backup } from "node:sqlite";
import { CannotStoreError } from "../../base/errors.ts";
import { openReadOnly } from "./read_only.ts";

/** SQLite's own copy, which runs in a thread that a simulated world (tests/world) does not have. */
export const sqlite = { backup };

/** Copy all pages in one step: with several, a write in between would restart the copy. */
const ALL_PAGES = 0x7fffffff;

/** SQLite's message for a full disk: errors of `backup` carry no code. */
const FULL = "database or disk is full";

function asCopyError(cause: Error, path: string): CannotStoreError {
  return new CannotStoreError(`${path} could not be copied: ${cause.message}`, {
    code: cause.message === FULL ? "store/disk-full" : "system/refused",
    cause,
  });
}

/** Copies the database at `path` to a new file at `to`. */
export async function copyDatabase(path: string, to: string): Promise<void> {
  const database = openReadOnly(path);
  try {
    database.exec("PRAGMA busy_timeout = 5000");
    await sqlite.backup(database, to, { rate: ALL_PAGES }).catch((cause) => {
      throw asCopyError(cause, path);
    });
  } finally {
    database.close();
  }
}
