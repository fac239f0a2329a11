/** A consistent copy of a database that may be in use: SQLite's own online backup, one snapshot, page by page. */
import { backup } from "node:sqlite";
import { openReadOnly } from "./read_only.ts";

/** Every page in one step: a database that is written to meanwhile would begin anew at each step. */
const ALL_PAGES = 0x7fffffff;

/** Copies the database at `path` to a new file at `to`. */
export async function copyDatabase(path: string, to: string): Promise<void> {
  const database = openReadOnly(path);
  try {
    database.exec("PRAGMA busy_timeout = 5000");
    await backup(database, to, { rate: ALL_PAGES });
  } finally {
    database.close();
  }
}
