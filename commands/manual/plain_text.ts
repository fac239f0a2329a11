/**
 * Markdown as plain text for a terminal and a pager. Tables that are too wide become lists. Only
 * headings and terms are painted, because painted text has no width.
 */
import type { Palette } from "../terminal/colour.ts";
import { pad, width } from "../terminal/table.ts";
import { wrapText } from "../terminal/wrap.ts";
import { type InlineText, type MarkdownBlock, parseInline, parseMarkdown } from "./markdown.ts";

/** How to print. */
export interface TextStyle {
  paint: Palette;
  columns: number;
}

/** The page as text; ends with a line feed. */
export function markdownAsText(markdown: string, style: TextStyle): string {
  return renderBlocks(parseMarkdown(markdown), style).join("\n\n") + "\n";
}

function renderBlocks(blocks: readonly MarkdownBlock[], style: TextStyle): string[] {
  return blocks.map((block) => {
    switch (block.kind) {
      case "heading":
        return renderHeading(block, style);
      case "paragraph":
        return wrapText(inlineText(block.text), style.columns);
      case "code":
        return indent(block.code, 4);
      case "list":
        return block.items.map((item, index) =>
          renderItem(item, { mark: block.numbered ? `${index + 1}.` : "-", style })
        ).join("\n");
      case "table":
        return renderTable(block, style);
    }
  });
}

function renderHeading(
  { level, text }: { level: number; text: string },
  { paint }: TextStyle,
): string {
  const title = inlineText(text);
  return paint.bold(level <= 2 ? title.toUpperCase() : title);
}

function renderItem(
  item: readonly MarkdownBlock[],
  { mark, style }: { mark: string; style: TextStyle },
): string {
  const by = mark.length + 1;
  const body = renderBlocks(item, { ...style, columns: style.columns - by }).join("\n");
  return `${mark} ${indent(body, by).slice(by)}`;
}

function renderTable(
  { header, rows }: { header: string[]; rows: string[][] },
  { paint, columns }: TextStyle,
): string {
  const cells = rows.map((row) => row.map(inlineText));
  const widths = header.map((title, column) =>
    Math.max(width(title), ...cells.map((row) => width(row[column] ?? "")))
  );
  const fits = widths.reduce((sum, one) => sum + one + 2, -2) <= columns;
  if (!fits) return cells.map(asTerm).join("\n");
  const line = (row: readonly string[]) =>
    row.map((cell, column) => pad(cell, { width: widths[column] ?? 0 })).join("  ").trimEnd();
  return [paint.bold(line(header)), ...cells.map(line)].join("\n");

  /** The first cell, with the others below it: the last one first, because it says what it means. */
  function asTerm([term = "", ...rest]: readonly string[]): string {
    const meaning = rest.at(-1) ?? "";
    const between = rest.slice(0, -1).flatMap((cell, index) =>
      cell === "" ? [] : [`${header[index + 1]}: ${cell}`]
    );
    const lines = [meaning, ...between].map((text) => wrapText(`    ${text}`, columns));
    return [paint.bold(wrapText(term, columns)), ...lines].join("\n");
  }
}

function indent(text: string, by: number): string {
  return text.split("\n").map((line) => line === "" ? "" : " ".repeat(by) + line).join("\n");
}

function inlineText(markdown: string): string {
  return parseInline(markdown).map(partText).join("");
}

function partText(part: InlineText): string {
  const isAddress = part.kind === "link" && /^https?:/.test(part.target);
  return isAddress && part.target !== part.text ? `${part.text} (${part.target})` : part.text;
}
