/**
 * Tells our databases from others, and damaged or newer ones from those that this version reads.
 */
import type { DatabaseSync } from "node:sqlite";
import { DataDirError } from "../../base/errors.ts";
import { isMalformed } from "./checked_rows.ts";

/** What identifies one of our databases. */
export interface DatabaseKind {
  /** SQLite's `application_id`. */
  application: number;
  /** The newest format that this version reads: SQLite's `user_version`. */
  format: number;
}

/** The value of a numeric pragma. */
export function pragma(database: DatabaseSync, name: string): number {
  return Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0] as number;
}

/**
 * Throws `DataDirError` for a database of another program or of a newer format. An empty one is
 * accepted.
 */
export function refuseForeign(database: DatabaseSync, path: string, kind: DatabaseKind): void {
  const format = pragma(database, "user_version");
  const application = pragma(database, "application_id");
  if (format > kind.format) {
    throw new DataDirError(
      "datadir/newer-format",
      `${path} has format ${format}, and this version reads up to ${kind.format}; it was left untouched`,
      {
        hint: "use the newer version of evs that wrote it",
        details: { format, supported: kind.format },
      },
    );
  }
  const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number };
  if (application !== kind.application && (application !== 0 || tables.n > 0)) {
    throw new DataDirError(
      "datadir/unsafe",
      `${path} is a SQLite database of something else; it was left untouched`,
      { hint: "move it away, or choose another data dir (EVS_DATA_DIR)" },
    );
  }
}

/**
 * A `DataDirError` if SQLite found that the file is not a database or is corrupt; other errors are
 * returned unchanged.
 */
export function asDataDirError(error: unknown, path: string): unknown {
  if (!isMalformed(error)) return error;
  return new DataDirError(
    "datadir/damaged",
    `${path} cannot be read as a database; it was left untouched`,
    { cause: error, hint: "keep a copy of it, then move it away or bring back a backup" },
  );
}
