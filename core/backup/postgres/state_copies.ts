/**
 * How the tables of a state database and those in PostgreSQL correspond. Most have the same columns;
 * what is said here is where they differ. Positions and marks are elsewhere, because there a
 * subscription has parts (positions_into.ts, positions_from.ts).
 *
 * Left out is what only the process that wrote it needs: where topics ended when it closed, how
 * often it was opened, and by how much its clock differed, which is taken out of what expires
 * (expiry.ts).
 */
import { partOf } from "../../event/part.ts";
import { UNNAMED } from "../../protocol/constants.ts";
import { searchText } from "../../state/reason.ts";
import type { TableRow } from "../../state/state_tables.ts";
import * as tables from "../../state/postgres/tables.ts";
import type { Table } from "../../state/postgres/tables.ts";
import { lineWithout } from "./expiry.ts";

/** How many parts a named subscription has on several nodes. */
export const PARTS = 16;

/** True in SQL for subscriptions without a name. */
const isUnnamed = (name: string) => `substr(${name}, 1, ${UNNAMED.length}) = '${UNNAMED}'`;
/** The parts of a subscription that comes from one process, in its SQL. */
export const partCountOf = (name: string): string =>
  `CASE WHEN ${isUnnamed(name)} THEN 1 ELSE ${PARTS} END`;
/** Another one than whoever remembers the database from before may know. */
const REV = "(abs(random()) % 4503599627370495) + 1";

/** A table that is copied row by row. */
export interface StateCopy {
  /** In PostgreSQL. */
  table: Table;
  /** In the state database; absent: its name is the same. */
  local?: string;
  /** The columns in PostgreSQL, as SQL of the state database; absent: the column of that name. */
  into?: Readonly<Record<string, string>>;
  /**
   * Finishes a row on its way to PostgreSQL. `skew`: how far the clock that events expire by was
   * ahead.
   */
  finish?: (row: TableRow, skew: number) => TableRow;
  /** The columns of the state database as SQL of PostgreSQL; null: it has none of this name. */
  from?: Readonly<Record<string, string | null>>;
  /** The order of the rows where it counts, there and here. */
  order?: { local: string; shared: string };
}

const single = { into: { single: "only" }, from: { single: null, only: "single" } };

/** All of them. */
export const STATE_COPIES: readonly StateCopy[] = [
  {
    table: tables.TOPICS,
    local: "topics",
    // There is one store, and its own settings say when an event is durable.
    into: { store: "'default'", durability: "'default'", rev: REV },
    from: { rev: null },
  },
  {
    table: tables.SUBSCRIPTIONS,
    into: { parts: partCountOf("name"), rev: REV },
    from: { parts: null, rev: null },
  },
  {
    table: tables.RETRIES,
    into: { part: partCountOf("subscription") },
    finish: (row, skew) => ({
      ...row,
      part: partOf(placeOf(row), row["part"] as number),
      line: lineWithout(skew, row["line"] as Uint8Array<ArrayBuffer>),
    }),
    from: { part: null },
    order: { local: "rowid", shared: "number" },
  },
  {
    table: tables.DEAD_LETTERS,
    into: {
      reason_folded: "''",
      last_attempt: "0",
      cause: "(SELECT cause FROM dead_letter_causes AS c WHERE c.number = dead_letters.number)",
    },
    finish: (row) => ({
      ...row,
      reason_folded: searchText(row["reason"] as string),
      last_attempt: lastAttempt(row["attempts"] as string),
    }),
    from: { reason_folded: null, last_attempt: null, cause: null },
  },
  { table: tables.REMOVED_DEAD_LETTERS },
  { table: tables.DEAD_LETTER_AGES, ...single },
  { table: tables.GROUPS },
  { table: tables.TREND },
  { table: tables.JOBS },
  { table: tables.JOB_PARTS },
  { table: tables.AUDIT },
  { table: tables.SCHEDULED },
  {
    table: tables.SCHEMAS,
    into: { schema: "CAST(schema AS TEXT)" },
    from: { schema: "convert_to(schema, 'UTF8')" },
    order: { local: "rowid", shared: "number" },
  },
  { table: tables.SCHEMA_LEVELS },
  { table: tables.IMPORTS },
  { table: tables.REDACTIONS },
];

/** What the slot of a retry's event depends on. */
function placeOf(row: TableRow): { seq: number; key?: string } {
  const seq = row["seq"] as number;
  return row["key"] === null ? { seq } : { seq, key: row["key"] as string };
}

function lastAttempt(attempts: string): number {
  const last = (JSON.parse(attempts) as { attempt?: number }[]).at(-1);
  return last?.attempt ?? 0;
}
