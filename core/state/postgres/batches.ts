/**
 * Turns the changes of a transaction into few statements: however many rows it puts, removes or
 * changes in a table, that is one statement for each of these. The result is that of the changes one
 * after the other: what is done to one row is put together here, and what is done to whole ranges of
 * rows ends the batches of the tables that it touches. Changes of different tables may change
 * places.
 */
import type { ChangeOf } from "../state.ts";
import { AuditBatch } from "./audit_batch.ts";
import { DoneBatch, type QueuePart } from "./done_batch.ts";
import { listed, lists } from "./table_lists.ts";
import { AUDIT, DONE, type Table } from "./tables.ts";
import type { ColumnValue } from "./values.ts";

/** One statement with its values. */
export interface BoundStatement {
  text: string;
  values: readonly (string | number | boolean | null)[];
}

/** A row, or some of its columns. */
export type Columns = Readonly<Record<string, ColumnValue>>;

/** What becomes of one row. */
type Act =
  | { kind: "put"; row: Columns }
  | { kind: "remove" }
  | { kind: "change"; columns: Columns };

/** Changes that become a few statements. */
export interface Batch {
  statements(): BoundStatement[];
}

/** Collects changes; {@link statements} has what they come to. */
export class Batches {
  readonly #all: Batch[] = [];
  readonly #open = new Map<string, Batch>();

  /** Puts a row, whether it is there or not. */
  put(table: Table, row: Columns): void {
    this.#rows(table).put(row);
  }

  /** Removes the row with these values of its key. */
  remove(table: Table, key: Columns): void {
    this.#rows(table).remove(key);
  }

  /** Changes some columns of a row, if it is there. */
  change(table: Table, key: Columns, columns: Columns): void {
    this.#rows(table).change(key, columns);
  }

  /** Runs a statement after what was done to these tables so far, and before all that follows. */
  run(touches: readonly Table[], text: string, values: BoundStatement["values"]): void {
    for (const { name } of touches) this.#open.delete(name);
    this.#all.push({ statements: () => [{ text, values }] });
  }

  /** Marks seqs as done. */
  mark(of: QueuePart, seqs: readonly number[]): void {
    this.#done().mark(of, seqs);
  }

  /** Removes the marks below a seq; all of them without one. */
  unmark(of: QueuePart, below?: number): void {
    this.#done().unmark(of, below);
  }

  /** Records an act. */
  act(record: ChangeOf<"audit.put">["record"]): void {
    const open = this.#open.get(AUDIT.name);
    const batch = open instanceof AuditBatch ? open : this.#begin(AUDIT, new AuditBatch());
    batch.add(record);
  }

  /** In the order in which they are to run. */
  statements(): BoundStatement[] {
    return this.#all.flatMap((batch) => batch.statements());
  }

  #rows(table: Table): RowBatch {
    const open = this.#open.get(table.name);
    // Two keys of one table: what is done by one of them ends what was done by the other.
    if (open instanceof RowBatch && open.table === table) return open;
    return this.#begin(table, new RowBatch(table));
  }

  #done(): DoneBatch {
    const open = this.#open.get(DONE.name);
    return open instanceof DoneBatch ? open : this.#begin(DONE, new DoneBatch());
  }

  #begin<B extends Batch>({ name }: Table, batch: B): B {
    this.#open.set(name, batch);
    this.#all.push(batch);
    return batch;
  }
}

/** The rows of one table. */
class RowBatch implements Batch {
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

function insertion(table: Table, rows: readonly Columns[]): BoundStatement {
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
