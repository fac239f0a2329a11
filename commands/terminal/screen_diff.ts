/**
 * What to write so that a terminal shows other rows than before: only what differs. Pure.
 *
 * Terminals do not agree on the width of every character. So nothing relies on where the cursor is
 * after one that is not ASCII: the column of what follows is named, and a row with such characters
 * is written as a whole. Rows do not wrap, so the worst that a wrong width does stays in its row.
 */
import { blank, type Cell, type CellRow, columnsOf, SGR, type Style } from "./cells.ts";

/** A terminal shows all between these two at once, if it can (DEC mode 2026). */
const [BEGIN, END] = ["\x1b[?2026h", "\x1b[?2026l"];
const ERASE_TO_END = "\x1b[K";
/** Fewer equal cells than this are written again: moving the cursor would take as many bytes. */
const WORTH_SKIPPING = 8;

/** ASCII, and the bars of sparklines, which stand at the end of a row and change each minute. */
const PLAIN = /^[ -~\u2581-\u2588]$/;

/** The size of a terminal. */
export interface Size {
  columns: number;
  rows: number;
}

/** How to write. */
export interface DiffOptions {
  size: Size;
  colour: boolean;
}

/** The bytes as text; empty if nothing differs. `before`: undefined if what is shown is not known. */
export function diffRows(
  before: readonly CellRow[] | undefined,
  after: readonly CellRow[],
  { size, colour }: DiffOptions,
): string {
  const pen = new Pen(colour);
  if (before === undefined) pen.raw("\x1b[0m\x1b[2J");
  for (let i = 0; i < Math.min(size.rows, after.length); i++) {
    const old = before === undefined ? [] : before[i] ?? [];
    drawRow(pen, { line: i + 1, old, row: after[i]!, columns: size.columns });
  }
  const out = pen.end();
  return out === "" ? "" : BEGIN + out + END;
}

interface Change {
  line: number;
  old: CellRow;
  row: CellRow;
  columns: number;
}

function drawRow(pen: Pen, { line, old, row, columns }: Change): void {
  if (row.length === old.length && row.every((cell, i) => isSame(cell, old[i]!))) return;
  if (!isPlain(row) || !isPlain(old)) {
    pen.move(line, 1);
    pen.erase();
    pen.row(line, trimmed(row));
    return;
  }
  const from = padded(old, columns);
  const to = padded(row, columns);
  const end = trimmed(to).length;
  for (let at = 0; at < columns;) {
    if (isSame(from[at]!, to[at]!)) {
      at++;
      continue;
    }
    pen.move(line, at + 1);
    if (at >= end) return pen.erase();
    let stop = at + 1;
    for (let same = 0; stop < end && same < WORTH_SKIPPING; stop++) {
      same = isSame(from[stop]!, to[stop]!) ? same + 1 : 0;
    }
    while (stop > at + 1 && isSame(from[stop - 1]!, to[stop - 1]!)) stop--;
    for (const cell of to.slice(at, stop)) pen.cell(cell);
    at = stop;
  }
}

function isSame(a: Cell, b: Cell): boolean {
  return a.text === b.text && (a.style === b.style || (isEmpty(a) && isEmpty(b)));
}

/** A space that looks like any other: its style is not seen. */
function isEmpty({ text, style }: Cell): boolean {
  return text === " " && style !== "chosen";
}

function isPlain(row: CellRow): boolean {
  return row.every(({ text }) => PLAIN.test(text));
}

function padded(row: CellRow, columns: number): CellRow {
  return [...row, ...blank(columns - columnsOf(row))];
}

/** Without what erasing gives at the end. */
function trimmed(row: CellRow): CellRow {
  return row.slice(
    0,
    row.findLastIndex((cell) => cell.text !== " " || cell.style === "chosen") + 1,
  );
}

/** Writes cells, and knows in which style the terminal is. */
class Pen {
  #out = "";
  #style: Style = "plain";
  readonly #colour: boolean;

  constructor(colour: boolean) {
    this.#colour = colour;
  }

  raw(text: string): void {
    this.#out += text;
  }

  move(line: number, column: number): void {
    this.#out += column === 1 ? `\x1b[${line}H` : `\x1b[${line};${column}H`;
  }

  /** Erases to the end of the row, in no style. */
  erase(): void {
    this.#become("plain");
    this.#out += ERASE_TO_END;
  }

  cell(cell: Cell): void {
    if (!isEmpty(cell) || this.#style === "chosen") this.#become(cell.style);
    this.#out += cell.text;
  }

  row(line: number, row: CellRow): void {
    let column = 1;
    for (const [i, cell] of row.entries()) {
      // The one before may be wider or narrower than we think.
      if (i > 0 && !isPlain([row[i - 1]!])) this.move(line, column);
      this.cell(cell);
      column += cell.width;
    }
  }

  #become(style: Style): void {
    if (style === this.#style) return;
    const before = SGR[this.#style][this.#colour ? "colour" : "mono"];
    const sgr = SGR[style][this.#colour ? "colour" : "mono"];
    this.#style = style;
    if (sgr === before) return;
    this.#out += before === "" ? `\x1b[${sgr}m` : sgr === "" ? "\x1b[m" : `\x1b[0;${sgr}m`;
  }

  /** All of it; the terminal is in no style after it. */
  end(): string {
    if (this.#out !== "") this.#become("plain");
    return this.#out;
  }
}
