/**
 * What SQLite itself says of a database of ours: its own structure, and whether its tables are the
 * ones that we make.
 */
import { DatabaseSync } from "node:sqlite";

/** The most faults that are told of one database. */
const MOST = 20;

/** Faults of the structure, in SQLite's words; none: an empty list. Reads the whole file. */
export function structureFaults(database: DatabaseSync): string[] {
  try {
    const rows = database.prepare(`PRAGMA integrity_check(${MOST})`).all() as {
      integrity_check: string;
    }[];
    return rows.flatMap((row) => row.integrity_check.split("\n")).filter((text) => text !== "ok");
  } catch (error) {
    if ((error as { errcode?: number }).errcode === undefined) throw error;
    return [(error as Error).message];
  }
}

/** What differs from the tables, indexes and views that `make` puts into an empty database. */
export function schemaFaults(
  database: DatabaseSync,
  make: (empty: DatabaseSync) => void,
): string[] {
  const reference = new DatabaseSync(":memory:");
  try {
    make(reference);
    const expected = definitions(reference);
    const found = definitions(database);
    const faults: string[] = [];
    for (const [name, sql] of expected) {
      if (!found.has(name)) faults.push(`${name} is not there`);
      else if (found.get(name) !== sql) faults.push(`${name} is not defined as we define it`);
    }
    return faults;
  } finally {
    reference.close();
  }
}

function definitions(database: DatabaseSync): Map<string, string> {
  const rows = database.prepare("SELECT type, name, sql FROM sqlite_schema").all() as {
    type: string;
    name: string;
    sql: string | null;
  }[];
  return new Map(rows.map(({ type, name, sql }) => [`the ${type} ${name}`, sql ?? ""]));
}
