/**
 * Turns the changes of a transaction into few statements: however many rows it puts, removes or
 * changes in a table, that is one statement for each of these. The result is that of the changes one
 * after the other: what is done to one row is put together here, and what is done to whole ranges of
 * rows ends the batches of the tables that it touches. Changes of different tables may change
 * places.
 */
import type { ChangeOf } from "../state.ts";
import { AuditBatch } from "./audit_batch.ts";
import { CursorBatch } from "./cursor_batch.ts";
import { DoneBatch, type QueuePart } from "./done_batch.ts";
import { RowBatch } from "./row_batch.ts";
import { AUDIT, CURSORS, DONE, type Table } from "./tables.ts";
import type { ColumnValue } from "./values.ts";

/** One statement with its values. */
export interface BoundStatement {
  text: string;
  values: readonly (string | number | boolean | null)[];
}

/** A row, or some of its columns. */
export type Columns = Readonly<Record<string, ColumnValue>>;

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

  /** Puts a position. */
  moveCursor(of: QueuePart, next: number): void {
    this.#cursors().put(of, next);
  }

  /** Removes all positions in a topic. */
  removeCursors(of: Omit<QueuePart, "part">): void {
    this.#cursors().remove(of);
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

  #cursors(): CursorBatch {
    const open = this.#open.get(CURSORS.name);
    return open instanceof CursorBatch ? open : this.#begin(CURSORS, new CursorBatch());
  }

  #begin<B extends Batch>({ name }: Table, batch: B): B {
    this.#open.set(name, batch);
    this.#all.push(batch);
    return batch;
  }
}
