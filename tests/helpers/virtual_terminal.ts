/**
 * A terminal in memory, which knows just the sequences that our screen may use. Anything else that
 * is not text is an error.
 */
import { width } from "../../commands/terminal/table.ts";

/** What one place of the screen shows. */
export interface Shown {
  text: string;
  sgr: string;
}

const EMPTY: Shown = { text: " ", sgr: "" };
// deno-lint-ignore no-control-regex -- what our screen writes
const SEQUENCE = /^\x1b\[(\?2026[hl]|[0-9;]*[HJKm])/;

/** A screen of fixed size. */
export class VirtualTerminal {
  readonly lines: Shown[][];
  readonly #columns: number;
  #at = { line: 0, column: 0 };
  #sgr = "";

  constructor({ columns, rows }: { columns: number; rows: number }) {
    this.#columns = columns;
    this.lines = Array.from({ length: rows }, () => Array(columns).fill(EMPTY));
  }

  /** The texts of the lines. */
  get texts(): string[] {
    return this.lines.map((line) => line.map(({ text }) => text).join("").trimEnd());
  }

  /** Does what the bytes say. */
  write(out: string): void {
    const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
    for (let rest = out; rest !== "";) {
      const found = SEQUENCE.exec(rest);
      if (found) {
        this.#obey(found[1]!);
        rest = rest.slice(found[0].length);
        continue;
      }
      const end = rest.indexOf("\x1b");
      if (end === 0) throw new Error(`not to be written: ${JSON.stringify(rest.slice(0, 20))}`);
      const text = end < 0 ? rest : rest.slice(0, end);
      for (const { segment } of graphemes.segment(text)) this.#put(segment);
      rest = rest.slice(text.length);
    }
  }

  #obey(sequence: string): void {
    const kind = sequence.at(-1);
    const [first = "", second = ""] = sequence.slice(0, -1).split(";");
    if (kind === "H") {
      this.#at = { line: Number(first || 1) - 1, column: Number(second || 1) - 1 };
    } else if (kind === "J") {
      if (first !== "2") throw new Error(`unknown: ${sequence}`);
      for (const line of this.lines) line.fill(EMPTY);
    } else if (kind === "K") this.lines[this.#at.line]!.fill(EMPTY, this.#at.column);
    else if (kind === "m") {
      const parts = sequence.slice(0, -1).split(";");
      this.#sgr = parts.filter((part) => part !== "" && part !== "0").join(";");
    }
  }

  #put(text: string): void {
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    if (/[\x00-\x1f\x7f-\x9f]/.test(text)) throw new Error(`control: ${JSON.stringify(text)}`);
    const wide = [...text].some((one) => width(one) === 2) || text.includes("\ufe0f") ||
      /^[\u{1f1e6}-\u{1f1ff}]{2}$/u.test(text);
    const { line, column } = this.#at;
    if (column + (wide ? 2 : 1) > this.#columns) throw new Error(`too wide: ${text}`);
    // Of a space only its ground is seen.
    const sgr = text !== " " || this.#sgr.includes("7") ? this.#sgr : "";
    this.lines[line]![column] = { text, sgr };
    if (wide) this.lines[line]![column + 1] = { text: "", sgr: this.#sgr };
    this.#at.column += wide ? 2 : 1;
  }
}
