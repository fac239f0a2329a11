/** Lists of values as a table, with one parameter a column. */
import type { Columns } from "./batches.ts";
import type { Table } from "./tables.ts";
import { listText, listType } from "./values.ts";

/** Lists of values as a table, in the order of the columns; `place` numbers the rows. */
export function listed(columns: Table["columns"], name: string, place?: string): string {
  const parameters = Object.values(columns).map((type, n) => `$${n + 1}${listType(type)}`);
  const names = [...Object.keys(columns), ...(place === undefined ? [] : [place])];
  const numbered = place === undefined ? "" : " WITH ORDINALITY";
  return `unnest(${parameters.join(", ")})${numbered} AS ${name}(${names.join(", ")})`;
}

/** The values of {@link listed}. */
export function lists(columns: Table["columns"], rows: readonly Columns[]): string[] {
  return Object.keys(columns).map((name) => listText(rows.map((row) => row[name] ?? null)));
}
