/** The rows of one table that a transaction puts, removes and changes. */
import type { Batch, BoundStatement, Columns } from "./batches.ts";
import { listed, lists } from "./table_lists.ts";
import type { Table } from "./tables.ts";

/** What becomes of one row. */
type Act =
  | { kind: "put"; row: Columns }
  | { kind: "remove" }
  | { kind: "change"; columns: Columns };

/** The rows of one table. */
export class RowBatch implements Batch {
  readonly table: Table;
  /** In the order of the last put of each. */
  readonly #acts = new Map<string, Act & { key: Columns }>();

  constructor(table: Table) {
    this.table = table;
  }

  put(row: Columns): void {
    this.#set(row, { kind: "put", row });
  }

  remove(key: Columns): void {
    this.#set(key, { kind: "remove" });
  }

  change(key: Columns, columns: Columns): void {
    const before = this.#acts.get(this.#nameOf(key));
    if (before?.kind === "remove") return;
    if (before?.kind === "put") before.row = { ...before.row, ...columns };
    else if (before) before.columns = { ...before.columns, ...columns };
    else this.#set(key, { kind: "change", columns });
  }

  #set(key: Columns, act: Act): void {
    const name = this.#nameOf(key);
    this.#acts.delete(name);
    this.#acts.set(name, { ...act, key });
  }

  #nameOf(key: Columns): string {
    return this.table.key.map((column) => key[column]).join("\n");
  }

  statements(): BoundStatement[] {
    const acts = [...this.#acts.values()];
    const removed = acts.filter(({ kind }) => kind === "remove").map(({ key }) => key);
    const put = acts.flatMap((act) => act.kind === "put" ? [act.row] : []);
    // Those of which the same columns change share a statement.
    const changed = new Map<string, Columns[]>();
    for (const act of acts) {
      if (act.kind !== "change") continue;
      const columns = Object.keys(act.columns).join();
      const rows = changed.get(columns) ?? [];
      changed.set(columns, rows);
      rows.push({ ...act.key, ...act.columns });
    }
    return [
      ...(removed.length === 0 ? [] : [removal(this.table, removed)]),
      ...(put.length === 0 ? [] : [insertion(this.table, put)]),
      ...Array.from(changed, ([columns, rows]) => update(this.table, columns.split(","), rows)),
    ];
  }
}

/** Puts rows, whether they are there or not. */
export function insertion(table: Table, rows: readonly Columns[]): BoundStatement {
  const names = Object.keys(table.columns);
  const others = names.filter((name) => !table.key.includes(name));
  const order = table.order === undefined ? [] : ["number"];
  const chosen = [...names.map((name) => `asked.${name}`), ...order.map(() => next(table))];
  const updates = [...others, ...order].map((name) => `${name} = excluded.${name}`);
  return {
    text: `INSERT INTO evs.${table.name} (${[...names, ...order].join(", ")})
      SELECT ${chosen.join(", ")} FROM ${listed(table.columns, "asked", "place")} ORDER BY place
      ON CONFLICT (${table.key.join(", ")}) DO ${
      updates.length === 0 ? "NOTHING" : `UPDATE SET ${updates.join(", ")}`
    }`,
    values: lists(table.columns, rows),
  };
}

/** The next place in the order of a table. */
export function next({ order }: Table): string {
  return `nextval('${order}')`;
}

function removal(table: Table, keys: readonly Columns[]): BoundStatement {
  const columns = keyColumns(table);
  return {
    text: `DELETE FROM evs.${table.name} USING ${listed(columns, "asked")} WHERE ${same(table)}`,
    values: lists(columns, keys),
  };
}

function update(table: Table, names: readonly string[], rows: readonly Columns[]): BoundStatement {
  const changed = Object.fromEntries(names.map((name) => [name, table.columns[name]!]));
  const columns = { ...keyColumns(table), ...changed };
  const sets = names.map((name) => `${name} = asked.${name}`).join(", ");
  return {
    text: `UPDATE evs.${table.name} SET ${sets} FROM ${listed(columns, "asked")} WHERE ${
      same(table)
    }`,
    values: lists(columns, rows),
  };
}

function keyColumns({ key, columns }: Table): Table["columns"] {
  return Object.fromEntries(key.map((name) => [name, columns[name]!]));
}

function same({ name, key }: Table): string {
  return key.map((column) => `${name}.${column} = asked.${column}`).join(" AND ");
}
