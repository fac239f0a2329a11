/**
 * Text as the cells of a terminal: what one character on the screen is, how wide it is, and how it
 * looks. Everything is escaped here, so that no text moves the cursor or reaches beyond its place.
 */
import { escapeText } from "./escape.ts";
import { width } from "./table.ts";

/** How a cell looks. */
export type Style = keyof typeof SGR;

/** The parameters of "select graphic rendition" (ECMA-48), with colour and without. */
export const SGR = {
  plain: { colour: "", mono: "" },
  bold: { colour: "1", mono: "1" },
  dim: { colour: "2", mono: "2" },
  red: { colour: "31", mono: "1" },
  green: { colour: "32", mono: "" },
  yellow: { colour: "33", mono: "1" },
  cyan: { colour: "36", mono: "" },
  chosen: { colour: "7", mono: "7" },
} as const;

/** One character on the screen, which may be several code points. */
export interface Cell {
  readonly text: string;
  /** The columns that it takes. */
  readonly width: 1 | 2;
  readonly style: Style;
}

/** A row of the screen, from the left. */
export type CellRow = readonly Cell[];

const ASCII = /^[\x20-\x7e]*$/;
/** Marks can be piled up without end; more than this of one character is left out. */
const LONGEST = 24;
const REGIONAL = /^[\u{1f1e6}-\u{1f1ff}]{2}$/u;
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** The cells of a text; what must not reach a terminal is shown as an escape. */
export function cellsOf(text: string, style: Style = "plain"): Cell[] {
  const safe = escapeText(text);
  if (ASCII.test(safe)) return Array.from(safe, (text) => ({ text, width: 1, style }));
  return Array.from(graphemes.segment(safe), ({ segment }) => cellOf(segment, style));
}

function cellOf(grapheme: string, style: Style): Cell {
  let text = "";
  let columns = 0;
  for (const character of grapheme) {
    if (text.length + character.length > LONGEST) break;
    text += character;
    columns = Math.max(columns, width(character));
  }
  // A mark without a character to stand on would be drawn on its neighbour.
  if (columns === 0) return { text: `\u25cc${text}`, width: 1, style };
  const isPicture = text.includes("\ufe0f") || REGIONAL.test(text);
  return { text, width: columns > 1 || isPicture ? 2 : 1, style };
}

/** The columns that cells take. */
export function columnsOf(cells: CellRow): number {
  return cells.reduce((sum, cell) => sum + cell.width, 0);
}

/** How text is put into a place of the screen. */
export interface Place {
  width: number;
  right?: boolean;
}

/** Exactly as many columns: cut, with `…` for the rest, or filled with spaces. */
export function fit(cells: CellRow, { width, right = false }: Place): Cell[] {
  const kept = cut(cells, width);
  const style = cells.at(-1)?.style === "chosen" ? "chosen" : "plain";
  const space = blank(width - columnsOf(kept), style);
  return right ? [...space, ...kept] : [...kept, ...space];
}

/** At most as many columns; `…` stands for the rest. */
export function cut(cells: CellRow, width: number): Cell[] {
  if (columnsOf(cells) <= width) return [...cells];
  if (width <= 0) return [];
  const kept: Cell[] = [];
  let columns = 0;
  for (const cell of cells) {
    if (columns + cell.width > width - 1) break;
    kept.push(cell);
    columns += cell.width;
  }
  return [...kept, { text: "…", width: 1, style: cells[kept.length]!.style }];
}

/** Spaces. */
export function blank(count: number, style: Style = "plain"): Cell[] {
  return Array.from({ length: Math.max(0, count) }, () => ({ text: " ", width: 1, style }));
}

/** The same cells in another style. */
export function styled(cells: CellRow, style: Style): Cell[] {
  return cells.map((cell) => ({ ...cell, style }));
}

/** Cells broken into rows of at most as many columns, at spaces where there are some. */
export function wrapCells(cells: CellRow, width: number): CellRow[] {
  const rows: CellRow[] = [];
  let rest = [...cells];
  while (columnsOf(rest) > width) {
    let [count, columns] = [0, 0];
    while (columns + rest[count]!.width <= width) columns += rest[count++]!.width;
    const space = rest.slice(0, count).findLastIndex(({ text }) => text === " ");
    const end = rest[count]!.text !== " " && space > 0 ? space + 1 : Math.max(1, count);
    rows.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...rows, rest];
}
