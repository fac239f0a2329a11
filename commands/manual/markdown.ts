/**
 * Reads the Markdown of our own pages: headings, paragraphs, lists, tables and blocks of code, with
 * code, strong words and links in the text. Comments and HTML say nothing here and are left out.
 */

/** One block of a page. */
export type MarkdownBlock =
  | { kind: "heading"; level: number; text: string }
  | { kind: "paragraph"; text: string }
  | { kind: "code"; language: string; code: string }
  | { kind: "list"; items: MarkdownBlock[][]; numbered: boolean }
  | { kind: "table"; header: string[]; rows: string[][] };

/** A stretch of text within a block. */
export type InlineText =
  | { kind: "text" | "code" | "strong" | "emphasis"; text: string }
  | { kind: "link"; text: string; target: string };

const FENCE = /^```(\w*)/;
const HEADING = /^(#{1,6}) +(.+)$/;
const ITEM = /^([-*]|\d+\.) +/;
const HTML = /^<[!a-z/]/i;

/** The blocks of a page, in order. */
export function parseMarkdown(markdown: string): MarkdownBlock[] {
  const lines = new Lines(markdown);
  const blocks: MarkdownBlock[] = [];
  while (lines.line !== undefined) {
    const heading = HEADING.exec(lines.line);
    if (lines.line.trim() === "") lines.take();
    else if (heading !== null) {
      blocks.push({ kind: "heading", level: heading[1]!.length, text: heading[2]! });
      lines.take();
    } else if (FENCE.test(lines.line)) blocks.push(takeCode(lines));
    else if (lines.line.startsWith("<!--")) skipComment(lines);
    else if (HTML.test(lines.line)) takeText(lines);
    else if (ITEM.test(lines.line)) blocks.push(takeList(lines));
    else if (lines.line.startsWith("|")) blocks.push(takeTable(lines));
    else blocks.push(...paragraph(takeText(lines)));
  }
  return blocks;
}

/** The lines of a page, taken one after another. */
class Lines {
  readonly #lines: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#lines = text.split("\n");
  }

  /** The line to be taken next; undefined at the end. */
  get line(): string | undefined {
    return this.#lines[this.#at];
  }

  /** The one after it. */
  get following(): string {
    return this.#lines[this.#at + 1] ?? "";
  }

  take(): string {
    return this.#lines[this.#at++] ?? "";
  }

  /** Takes lines as long as they fit. */
  takeWhile(fits: (line: string) => boolean): string[] {
    const taken: string[] = [];
    while (this.line !== undefined && fits(this.line)) taken.push(this.take());
    return taken;
  }
}

function takeCode(lines: Lines): MarkdownBlock {
  const [, language = ""] = FENCE.exec(lines.take())!;
  const code = lines.takeWhile((line) => line !== "```").join("\n");
  lines.take();
  return { kind: "code", language, code };
}

function skipComment(lines: Lines): void {
  lines.takeWhile((line) => !line.includes("-->"));
  lines.take();
}

/** Lines up to an empty one, or one that begins something else. */
function takeText(lines: Lines): string {
  const first = lines.take();
  const more = lines.takeWhile((line) => line.trim() !== "" && !beginsBlock(line));
  return [first, ...more].map((line) => line.trim()).join(" ");
}

function takeList(lines: Lines): MarkdownBlock {
  const isNumbered = (line: string) => /^\d/.test(line);
  const numbered = isNumbered(lines.line!);
  const items: MarkdownBlock[][] = [];
  while (ITEM.test(lines.line ?? "") && isNumbered(lines.line!) === numbered) {
    const indent = ITEM.exec(lines.line!)![0].length;
    const item = [lines.take().slice(indent)];
    while (belongsToItem(lines, item.at(-1)!)) item.push(lines.take().slice(indent));
    items.push(parseMarkdown(item.join("\n")));
    // An empty line between two items.
    if (lines.line === "" && ITEM.test(lines.following)) lines.take();
  }
  return { kind: "list", items, numbered };
}

function belongsToItem({ line, following }: Lines, before: string): boolean {
  if (line === undefined) return false;
  if (line.startsWith("  ")) return true;
  // An empty line belongs to the item if what follows it is indented.
  if (line === "") return following.startsWith("  ");
  return before !== "" && !beginsBlock(line);
}

function takeTable(lines: Lines): MarkdownBlock {
  const [header = [], , ...rows] = lines.takeWhile((line) => line.startsWith("|")).map(cellsOf);
  return { kind: "table", header, rows };
}

function beginsBlock(line: string): boolean {
  return FENCE.test(line) || HEADING.test(line) || ITEM.test(line) || line.startsWith("|") ||
    line.startsWith("<!--");
}

function paragraph(text: string): MarkdownBlock[] {
  // A picture on its own.
  return /^!\[[^\]]*\]\([^)]*\)$/.test(text) ? [] : [{ kind: "paragraph", text }];
}

function cellsOf(row: string): string[] {
  return row.replace(/^\||\|$/g, "").split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}

const INLINE =
  /(?<code>`+)(?<inner>.+?)\k<code>(?!`)|\*\*(?<strong>.+?)\*\*|\[(?<link>(?:[^\]\\]|\\.)+)\]\((?<target>[^)\s]+)\)|(?<![\w*])[*_](?<emphasis>[^*_\s](?:[^*_]*[^*_\s])?)[*_](?![\w*])|\\(?<escaped>[!-/:-@[-`{-~])/g;

/** The text of a paragraph, a cell or a heading, in stretches. */
export function parseInline(markdown: string): InlineText[] {
  const found: InlineText[] = [];
  let end = 0;
  for (const match of markdown.matchAll(INLINE)) {
    add(markdown.slice(end, match.index));
    end = match.index + match[0].length;
    const { inner, strong, link, target, emphasis, escaped } = match.groups!;
    if (inner !== undefined) found.push({ kind: "code", text: trimCode(inner) });
    else if (strong !== undefined) found.push({ kind: "strong", text: plainInline(strong) });
    else if (emphasis !== undefined) found.push({ kind: "emphasis", text: plainInline(emphasis) });
    else if (link !== undefined) {
      found.push({ kind: "link", text: plainInline(link), target: target! });
    } else add(escaped!);
  }
  add(markdown.slice(end));
  return found;

  function add(text: string): void {
    const last = found.at(-1);
    if (text === "") return;
    if (last?.kind === "text") last.text += text;
    else found.push({ kind: "text", text });
  }
}

/** One space at both ends of code is no part of it. */
function trimCode(code: string): string {
  return /^ .*\S.* $/.test(code) ? code.slice(1, -1) : code;
}

/** The same as plain text, without marks. */
export function plainInline(markdown: string): string {
  return parseInline(markdown).map(({ text }) => text).join("");
}
