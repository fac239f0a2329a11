/**
 * Rows of `log`, many a statement: one row costs SQLite a microsecond, one statement of its own
 * another.
 *
 * A row that is in the way ends the whole transaction (`OR ROLLBACK`), which is what becomes of it
 * anyway. To take back a single statement of many rows SQLite would keep a copy of each page that
 * it changes, and where its cache is full write all of them to a temporary file as well, outside of
 * the data dir.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { PackedLines } from "../packed_lines.ts";
import type { PackedRequest } from "../pack.ts";
import { rowSum, typeTag } from "./row_checksum.ts";

type Value = string | number | null | Uint8Array;

/** How many rows one statement takes, and how many values a row has. */
const ROWS = 60;
const COLUMNS = 6;
const ROW = "(?,?,?,?,?,?)";

/** Inserts into `log`. */
export class RowWriter {
  readonly #one: StatementSync;
  readonly #many: StatementSync;
  /** Rows that wait for the next statement. */
  #waiting: Value[] = [];

  constructor(database: DatabaseSync) {
    this.#one = database.prepare(`INSERT OR ROLLBACK INTO log VALUES ${ROW}`);
    this.#many = database.prepare(
      `INSERT OR ROLLBACK INTO log VALUES ${Array(ROWS).fill(ROW).join(",")}`,
    );
  }

  /**
   * Adds a row; returns true when all rows so far are in the table, and their lines may be
   * forgotten.
   */
  add(
    pos: number,
    row: { type: string; key: string | null; head: number; line: Uint8Array },
  ): boolean {
    const { type, key, head, line } = row;
    const sum = rowSum(line, { pos, head, tag: typeTag(type) });
    this.#waiting.push(pos, type, key, head, sum, line);
    if (this.#waiting.length < ROWS * COLUMNS) return false;
    this.flush();
    return true;
  }

  /** Adds the lines of a packed request; `base` is the position of seq 0 of its topic. */
  addLines(base: number, lines: PackedLines, request: PackedRequest & { firstSeq: number }): void {
    const { types, keys, firstSeq, count } = request;
    let start = 0;
    for (let i = 0; i < count; i++) {
      const end = lines.ends[i]!;
      this.add(base + firstSeq + i, {
        type: typeof types === "string" ? types : types[i]!,
        key: (typeof keys === "string" ? keys : keys?.[i]) ?? null,
        head: lines.heads[i]!,
        line: lines.bytes.subarray(start, end - 1),
      });
      start = end;
    }
  }

  /** Puts the rows that wait into the table. */
  flush(): void {
    const rows = this.#waiting;
    if (rows.length === 0) return;
    this.#waiting = [];
    if (rows.length === ROWS * COLUMNS) {
      this.#many.run(...rows);
      return;
    }
    for (let at = 0; at < rows.length; at += COLUMNS) {
      this.#one.run(...rows.slice(at, at + COLUMNS));
    }
  }

  /** Forgets the rows that wait: their transaction failed. */
  drop(): void {
    this.#waiting = [];
  }
}
