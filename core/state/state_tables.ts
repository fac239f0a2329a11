/**
 * The rows of a state database as they are, for a backup that goes to another kind of state or comes
 * from one. Nobody else uses the file meanwhile.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { openStateDatabase } from "./migrations.ts";
import { SqliteState } from "./sqlite.ts";

/** What a column may hold. */
export type StateValue = string | number | boolean | null | Uint8Array;

/** A row as it is read. */
export type TableRow = Readonly<Record<string, string | number | null | Uint8Array<ArrayBuffer>>>;

/** Counters of the state, each with the last number that was given, whether its row is there or not. */
export type NumberedTable = "dead_letters" | "audit";

/** The tables of a state database. */
export class StateTables {
  readonly #database: DatabaseSync;
  readonly #inserts = new Map<string, StatementSync>();

  /** Opens the database at `path`, or creates it; an older one is migrated. */
  constructor(path: string) {
    // Dead letters from before there were groups get theirs.
    new SqliteState(path, { lock: false }).closeSync();
    this.#database = openStateDatabase(path);
    // One that is not finished is thrown away.
    this.#database.exec("PRAGMA synchronous = OFF");
  }

  /** The rows of a query, one by one. */
  rows(sql: string): Iterable<TableRow> {
    return this.#database.prepare(sql).iterate() as Iterable<TableRow>;
  }

  /** Adds rows to a table. */
  insert(table: string, columns: readonly string[], rows: readonly StateValue[][]): void {
    const statement = this.#insertOf(table, columns);
    this.#database.exec("BEGIN IMMEDIATE");
    for (const row of rows) {
      statement.run(...row.map((value) => typeof value === "boolean" ? Number(value) : value));
    }
    this.#database.exec("COMMIT");
  }

  #insertOf(table: string, columns: readonly string[]): StatementSync {
    const sql = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${
      columns.map(() => "?").join(", ")
    })`;
    let statement = this.#inserts.get(sql);
    if (!statement) this.#inserts.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }

  /** The last number that was given. */
  lastNumber(table: NumberedTable): number {
    const row = this.#database.prepare(
      `SELECT max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = '${table}'), 0),
         ifnull((SELECT max(number) FROM ${table}), 0)) AS last`,
    ).get();
    return row!["last"] as number;
  }

  /** Goes on after this number. */
  setLastNumber(table: NumberedTable, last: number): void {
    this.#database.prepare("DELETE FROM sqlite_sequence WHERE name = ?").run(table);
    this.#database.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)")
      .run(table, last);
  }

  close(): void {
    this.#database.close();
  }
}
