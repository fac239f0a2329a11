/** Tables and lists of facts for a terminal. Pure: every value is escaped here. */
import { formatLocalTime } from "./local_time.ts";
import type { Palette } from "./colour.ts";
import { escapeText } from "./escape.ts";

/** How to make a table fit. */
export interface TableOptions {
  paint: Palette;
  /** The width of the terminal; absent: unlimited. */
  columns?: number;
  /**
   * The column that moves to its own line below its row if the table is too wide; a row that has
   * nothing there has no such line.
   */
  below?: string;
  /** Columns to drop if it is still too wide, in this order. */
  drop?: readonly string[];
}

/** A table with a header line; columns are the keys of the first row. Numbers are right-aligned. */
export function formatTable(
  rows: readonly Record<string, unknown>[],
  options: TableOptions,
): string {
  const first = rows[0];
  if (first === undefined) return "";
  // A terminal that reports 0 does not know its width.
  const columns = options.columns || Infinity;
  const { below } = options;
  const drop = [...options.drop ?? []];
  let names = Object.keys(first);
  if (below === undefined || isFitting(rows, names, columns)) {
    return layOut(rows, names, { paint: options.paint });
  }
  names = names.filter((name) => name !== below);
  while (!isFitting(rows, names, columns) && drop.length > 0) {
    const dropped = drop.shift();
    names = names.filter((name) => name !== dropped);
  }
  return layOut(rows, names, { paint: options.paint, below, columns });
}

function isFitting(
  rows: readonly Record<string, unknown>[],
  names: readonly string[],
  columns: number,
): boolean {
  const widths = names.map((name) => columnWidth(rows, name));
  return widths.reduce((sum, one) => sum + one + GAP.length, -GAP.length) <= columns;
}

function columnWidth(rows: readonly Record<string, unknown>[], name: string): number {
  return rows.reduce((most, row) => Math.max(most, width(cellText(row[name]))), width(name));
}

const GAP = "  ";
/**
 * A text is never cut shorter than this, however narrow the terminal: a few letters say more than
 * `…`.
 */
const SHORTEST = 16;

function layOut(
  rows: readonly Record<string, unknown>[],
  names: readonly string[],
  { paint, below, columns = Infinity }: { paint: Palette; below?: string; columns?: number },
): string {
  const widths = names.map((name) => columnWidth(rows, name));
  const right = names.map((name) => rows.every((row) => isNumeric(row[name])));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => pad(cell, { width: widths[column] ?? 0, right: right[column] }))
      .join(GAP).trimEnd();
  const room = Math.max(SHORTEST, columns - GAP.length);
  const lines = [paint.bold(line(names.map((name) => name.toUpperCase())))];
  for (const row of rows) {
    lines.push(line(names.map((name) => cellText(row[name]))));
    const text = below === undefined ? undefined : row[below];
    if (text !== undefined && text !== "") lines.push(GAP + shorten(cellText(text), room));
  }
  return lines.join("\n") + "\n";
}

/** Cuts a text to this many columns; `…` stands for the rest. */
export function shorten(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let kept = "";
  for (const character of text) {
    if (width(kept + character) > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Names and values, one per line; a list has one line for each of its values. */
export function formatFacts(
  facts: Record<string, unknown>,
  options: { paint: Palette },
): string {
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined);
  const longest = Math.max(0, ...entries.map(([name]) => width(name)));
  const below = `\n${" ".repeat(longest)}  `;
  return entries.map(([name, value]) => {
    const lines = Array.isArray(value) ? value.map(cellText).join(below) : cellText(value);
    return `${options.paint.dim(pad(name, { width: longest }))}  ${lines}\n`;
  }).join("");
}

/**
 * The number of columns of a text: wide East Asian characters and emoji take two, combining marks
 * none.
 */
export function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(character)) continue;
    columns += isWide(character) ? 2 : 1;
  }
  return columns;
}

/** Text padded with spaces. */
export function pad(text: string, options: { width: number; right?: boolean }): string {
  const space = " ".repeat(Math.max(0, options.width - width(text)));
  return options.right ? space + text : text + space;
}

/** A whole number with separators, `1,234,567`. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count and its noun: `1 event`, `2 events`. */
export function plural(value: number, noun: string): string {
  return `${formatCount(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Unix ms as local date and time with its offset, to the second. */
export function formatTime(timestamp: number): string {
  return formatLocalTime(timestamp);
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return formatCount(value);
  return escapeText(typeof value === "string" ? value : JSON.stringify(value));
}

function isNumeric(value: unknown): boolean {
  return typeof value === "number" ||
    (typeof value === "string" && /^[\d.,]+( [KMGT]?i?B)?$/.test(value));
}

/** Wide and fullwidth by Unicode's East Asian Width, besides what is drawn as an emoji. */
const WIDE: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0x3247],
  [0x3250, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d376],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];
/** A flag is two regional indicators of one column each. */
const EMOJI = /(?![\u{1f1e6}-\u{1f1ff}])\p{Emoji_Presentation}/u;

function isWide(character: string): boolean {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x1100) return false;
  return WIDE.some(([first, last]) => point >= first && point <= last) || EMOJI.test(character);
}
