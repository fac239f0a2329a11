/**
 * Writes the state of a backup into the tables of a PostgreSQL database, behind its events. All
 * within a transaction of the caller.
 */
import type { Query } from "../../postgres/connection.ts";
import { insertion } from "../../state/postgres/row_batch.ts";
import type { StateTables, TableRow } from "../../state/state_tables.ts";
import { batchesOf } from "./batches.ts";
import { positionsInto } from "./positions_into.ts";
import { STATE_COPIES, type StateCopy } from "./state_copies.ts";

/**
 * Nobody owns a part, and whoever takes one has a higher epoch than all owners before: also those of
 * another database that this one is a copy of.
 */
const CLAIMS = `INSERT INTO evs.claims (subscription, part, epoch, rev, claimed_at)
  SELECT name, part, $1, 0, clock_timestamp()
  FROM evs.subscriptions, generate_series(0, parts - 1) AS part`;

/**
 * Writes it; `now`, Unix ms, becomes the counter of the catalog. `skew`: how far the clock that
 * events expire by was ahead (core/backup/postgres/expiry.ts).
 */
export async function stateInto(
  query: Query,
  state: StateTables,
  { now, skew }: { now: number; skew: number },
): Promise<void> {
  for (const copy of STATE_COPIES) {
    for (const rows of batchesOf(finished(state.rows(selectOf(copy)), copy, skew))) {
      const { text, values } = insertion(copy.table, rows);
      await query(text, values);
    }
  }
  await positionsInto(query, state);
  for (const name of ["dead_letters", "audit"] as const) {
    await query("UPDATE evs.counters SET value = $2 WHERE name = $1", [
      name,
      state.lastNumber(name),
    ]);
  }
  await query(CLAIMS, [Math.floor(now / 1000)]);
  // Whoever remembers the database from before finds that all of it is another one.
  await query("UPDATE evs.counters SET rev = $1", [now]);
}

function* finished(
  rows: Iterable<TableRow>,
  { finish }: StateCopy,
  skew: number,
): Generator<TableRow> {
  for (const row of rows) yield finish ? finish(row, skew) : row;
}

function selectOf({ table, local = table.name, into = {}, order }: StateCopy): string {
  const columns = Object.keys(table.columns)
    .map((column) => `${into[column] ?? `${local}.${column}`} AS ${column}`);
  return `SELECT ${columns.join(", ")} FROM ${local}${order ? ` ORDER BY ${order.local}` : ""}`;
}
