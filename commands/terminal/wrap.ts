/** Wraps text to a width. Pure, and never breaks a word. */
import { width } from "./table.ts";

/**
 * Wraps prose. Existing line breaks stay; a long line continues at its own indent, or below its
 * last column if it has columns (two or more spaces between words).
 */
export function wrapText(text: string, columns: number): string {
  return text.split("\n").map((line) => {
    const indent = /^ */.exec(line)![0].length;
    const column = /^ *\S.*? {2,}(?=\S)/.exec(line)?.[0].length;
    return fill(line.trim().split(/(?<=\S) (?=\S)/), {
      columns,
      first: " ".repeat(indent),
      next: " ".repeat(column ?? indent),
    });
  }).join("\n");
}

/**
 * Wraps a usage line: bracketed parts stay together, and continuation lines are indented further.
 */
export function hanging(line: string, { columns, by }: { columns: number; by: number }): string {
  const indent = /^ */.exec(line)![0];
  const words =
    line.trim().match(/\[(?:[^[\]]|\[[^\]]*\])*\](?:\.\.\.)?|--?[a-z-]+ [^-\s[]\S*|\S+/g) ?? [];
  return fill(words, { columns, first: indent, next: " ".repeat(by) });
}

function fill(
  words: readonly string[],
  { columns, first, next }: { columns: number; first: string; next: string },
): string {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line === "" ? first + word : `${line} ${word}`;
    if (line === "" || width(longer) <= columns) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = next + word;
  }
  return [...lines, line].join("\n");
}
