/**
 * Reads rows of the log and verifies them. A row that is missing, unreadable or corrupt is left out
 * and reported; the rest is returned. If SQLite gives up on a page, the rows are read one by one.
 */
import { countIn, type Found, inRanges } from "../damage.ts";
import { holdsLine, rowSum, tagOfSum, typeTag } from "./row_checksum.ts";
import { position } from "./position.ts";
import type { Prepare } from "./statements.ts";
import type { TopicRow } from "./topics.ts";

/** A row of the log. */
export interface LogRow {
  pos: number;
  type: string;
  head: number;
  sum: number;
  line: Uint8Array;
}

/** Which rows to read: both ends inclusive, and within the topic's bounds. */
export interface RowRange {
  from: number;
  end: number;
  types?: readonly string[] | undefined;
}

/** Describes a missing row. */
export const GONE: string = "gone from the database";

const COLUMNS = "pos, type, head, sum, line";
/**
 * SQLite's codes for a damaged file, and for one that the disk cannot read
 * (https://sqlite.org/rescode.html).
 */
const [SQLITE_CORRUPT, SQLITE_NOTADB] = [11, 26];
const [SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ] = [10 | 1 << 8, 10 | 2 << 8];
/** The same as text: errors of `exec` carry no code. */
const IN_WORDS =
  /database disk image is malformed|file is not a database|malformed database schema/;

/** True for a SQLite error that says that the file is corrupt. */
export function isMalformed(error: unknown): boolean {
  if (error instanceof Error && IN_WORDS.test(error.message)) return true;
  const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** True for a SQLite error that says that a page is corrupt or unreadable. */
export function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return isMalformed(error) || code === SQLITE_IOERR_READ || code === SQLITE_IOERR_SHORT_READ;
}

/** Reads rows and verifies their checksums. */
export class CheckedRows {
  readonly #prepare: Prepare;
  readonly #report: (found: Found) => void;

  constructor(prepare: Prepare, report: (found: Found) => void) {
    this.#prepare = prepare;
    this.#report = report;
  }

  /** The intact rows of the range, in order. */
  read(topic: TopicRow, range: RowRange): LogRow[] {
    const { types } = range;
    const base = position(topic.id, 0);
    const ends: [number, number] = [base + range.from, base + range.end];
    const span = range.end - range.from + 1;
    const due = span - countIn(topic.holes, { from: range.from, to: range.end });
    let rows: LogRow[];
    try {
      const clause = types
        ? ` AND (type IN (${marks(types)}) OR sum >> 32 IN (${marks(types)}))`
        : "";
      rows = this.#prepare(
        `SELECT ${COLUMNS} FROM log WHERE pos BETWEEN ? AND ?${clause} ORDER BY pos`,
      ).all(...ends, ...types ?? [], ...(types ?? []).map(typeTag)) as unknown as LogRow[];
      const there = types ? this.#count(ends) : rows.length;
      if (there !== due || !isAscending(rows, ends)) rows = this.#oneByOne(topic, range);
    } catch (error) {
      if (!isDamage(error)) throw error;
      rows = this.#oneByOne(topic, range);
    }
    return rows.filter((row) => this.holds(topic, row) && (!types || types.includes(row.type)));
  }

  #count(ends: number[]): number {
    const row = this.#prepare("SELECT count(*) AS n FROM log WHERE pos BETWEEN ? AND ?").get(
      ...ends,
    );
    return (row as { n: number }).n;
  }

  #oneByOne(topic: TopicRow, { from, end }: RowRange): LogRow[] {
    const one = this.#prepare(`SELECT ${COLUMNS} FROM log WHERE pos = ?`);
    const base = position(topic.id, 0);
    const rows: LogRow[] = [];
    let missing: [number, number, string] | undefined;
    const tell = () => {
      if (!missing) return;
      const [firstSeq, lastSeq, what] = missing;
      this.#report({ topic: topic.name, firstSeq, lastSeq, what, lost: true });
      missing = undefined;
    };
    for (let seq = from; seq <= end; seq++) {
      if (inRanges(topic.holes, seq)) continue;
      let what = GONE;
      try {
        const row = one.get(base + seq) as unknown as LogRow | undefined;
        if (row) {
          rows.push(row);
          continue;
        }
      } catch (error) {
        if (!isDamage(error)) throw error;
        what = "on a page that cannot be read";
      }
      if (missing && missing[1] === seq - 1 && missing[2] === what) missing[1] = seq;
      else {
        tell();
        missing = [seq, seq, what];
      }
    }
    tell();
    return rows;
  }

  /** True if the row may be delivered. Reports a corrupt one; repairs its type from its line. */
  holds(topic: TopicRow, row: LogRow): boolean {
    const seq = row.pos - position(topic.id, 0);
    if (inRanges(topic.holes, seq)) return false;
    // A flipped bit can change a column's data type.
    const sound = typeof row.sum === "number" && typeof row.head === "number" &&
      row.line instanceof Uint8Array;
    if (
      sound && typeof row.type === "string" &&
      rowSum(row.line, { pos: row.pos, head: row.head, tag: typeTag(row.type) }) === row.sum
    ) return true;
    const found = { topic: topic.name, firstSeq: seq, lastSeq: seq };
    if (sound && holdsLine(row.sum, row)) {
      const { type } = JSON.parse(`${new TextDecoder().decode(row.line)}`) as { type: string };
      row.type = type;
      const what = tagOfSum(row.sum) === typeTag(type)
        ? "its type column is damaged"
        : "the checksum of its type is damaged";
      this.#report({ ...found, what, lost: false });
      return true;
    }
    this.#report({ ...found, what: "its checksum does not match", lost: true });
    return false;
  }
}

/** False if SQLite came to a row that is not in its place: its number was altered. */
function isAscending(rows: readonly LogRow[], [from, end]: [number, number]): boolean {
  let before = from - 1;
  for (const { pos } of rows) {
    if (pos <= before) return false;
    before = pos;
  }
  return before <= end;
}

function marks(values: readonly unknown[]): string {
  return values.map(() => "?").join(",");
}
