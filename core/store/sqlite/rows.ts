/**
 * Inserts many rows of `log` per statement: a row costs SQLite a microsecond, and a statement of
 * its own another.
 *
 * A conflicting row rolls back the whole transaction (`OR ROLLBACK`), which would happen anyway. To
 * be able to undo a single statement of many rows, SQLite would keep a copy of each page that it
 * changes, and write them to a temporary file outside the data dir once its cache is full.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { PackedLines } from "../packed_lines.ts";
import type { PackedRequest } from "../pack.ts";
import { rowSum, typeTag } from "./row_checksum.ts";

type Value = string | number | null | Uint8Array;

/** Rows per statement, and values per row. */
const ROWS = 60;
const COLUMNS = 6;
const ROW = "(?,?,?,?,?,?)";

/** Inserts into `log`. */
export class RowWriter {
  readonly #one: StatementSync;
  readonly #many: StatementSync;
  /** Values of rows that wait for the next statement. */
  #waiting: Value[] = [];

  constructor(database: DatabaseSync) {
    this.#one = database.prepare(`INSERT OR ROLLBACK INTO log VALUES ${ROW}`);
    this.#many = database.prepare(
      `INSERT OR ROLLBACK INTO log VALUES ${Array(ROWS).fill(ROW).join(",")}`,
    );
  }

  /**
   * Adds a row; returns true if all rows so far have been inserted, so that their lines may be
   * reused.
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

  /** Inserts the waiting rows. */
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

  /** Drops the waiting rows: their transaction failed. */
  drop(): void {
    this.#waiting = [];
  }
}
