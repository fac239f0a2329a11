/**
 * Integrity checks of our databases: SQLite's own structure check, and whether the tables are the
 * ones that we create.
 */
import { DatabaseSync } from "node:sqlite";

/** Most faults that are reported per database. */
const MOST = 20;

/** Faults in the structure, in SQLite's words; empty if there are none. Reads the whole file. */
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

/** Differences from the tables, indexes and views that `make` creates in an empty database. */
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
