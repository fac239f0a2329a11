/**
 * Writes man pages in the macros of man(7), so that groff and mandoc render what was written: a
 * hyphen that is typed can be copied, quotes stay straight, and no line becomes a request.
 */
import { type InlineText, type MarkdownBlock, parseInline } from "./markdown.ts";

/** What stands at the top of a page. */
export interface ManTitle {
  /** As it is looked up: `evs-publish`. */
  name: string;
  section: number;
  brief: string;
  version: string;
}

const SPECIAL: Record<string, string> = {
  "\\": "\\(rs",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
  '"': "\\(dq",
  "…": "...",
};

/** Escapes text that stands within a line. */
export function escapeRoff(text: string): string {
  // deno-lint-ignore no-control-regex -- everything but ASCII
  return text.replace(/[\\\-'`^~"…]|[^\x00-\x7f]/g, (character) => {
    const code = character.codePointAt(0)!.toString(16).toUpperCase();
    return SPECIAL[character] ?? `\\[u${code.padStart(4, "0")}]`;
  });
}

/** Escapes whole lines: one that begins with a dot would be a request. */
export function roffText(text: string): string {
  return guarded(escapeRoff(text));
}

/** Escapes prose of a definition, in which backticks set off what is typed. */
export function manProse(text: string): string {
  return guarded(
    text.split(/`([^`]+)`/).map((part, index) =>
      index % 2 === 0 ? escapeRoff(part) : `\\fB${escapeRoff(part)}\\fR`
    ).join(""),
  );
}

function guarded(roff: string): string {
  return roff.replace(/^\./gm, "\\&.");
}

/** A page begins like this. */
export function manHeader({ name, section, brief, version }: ManTitle): string[] {
  return [
    `.\\" Made by deno task docs:man.`,
    `.TH "${roffText(name.toUpperCase())}" "${section}" "" "evs ${
      roffText(version)
    }" "Manual of evs"`,
    // No hyphens of its own and no stretched lines: words are copied from here.
    ".nr HY 0",
    ".nh",
    ".ad l",
    ".SH NAME",
    `${roffText(name)} \\- ${roffText(brief)}`,
  ];
}

/** A heading; level 1 is a section, any other a subsection. */
export function manHeading(title: string, level = 1): string {
  return level === 1 ? `.SH "${roffText(title.toUpperCase())}"` : `.SS "${roffText(title)}"`;
}

/** Lines to be copied as they are. */
export function manCode(code: string): string[] {
  return [".PP", ".RS 4", ".EX", ...code.split("\n").map(roffText), ".EE", ".RE"];
}

/** A term and what it means, below it or beside it. */
export function manTerm(term: string, meaning: readonly string[]): string[] {
  return [".TP", term, ...meaning];
}

/** How a command is typed: what is literal is bold, what stands for something else is italic. */
export function manSyntax(usage: string): string {
  // A bracket and what is in it stay on one line.
  const parts = usage.match(/\[(?:[^[\]]|\[[^\]]*\])*\](?:\.\.\.)?|--?[a-z-]+ [^-\s[]\S*|\S+/g) ??
    [];
  const verbs = parts.findIndex((part) => !/^[a-z]+$/.test(part));
  return parts.map((part, index) =>
    index < verbs || verbs < 0 ? `\\fB${escapeRoff(part)}\\fR` : syntaxPart(part)
  ).join(" ");
}

function syntaxPart(part: string): string {
  return part.split(/(--?[A-Za-z][\w-]*|\b[A-Z]+\b)/).map((word, index) => {
    const escaped = escapeRoff(word);
    const text = part.length <= 40 ? escaped.replaceAll(" ", "\\ ") : escaped;
    if (index % 2 === 0) return text;
    return /^[A-Z]/.test(word) ? `\\fI${text}\\fR` : `\\fB${text}\\fR`;
  }).join("");
}

/** Blocks of Markdown; headings of `level` become sections. */
export function manBlocks(blocks: readonly MarkdownBlock[], level = 2): string[] {
  return blocks.flatMap((block) => {
    switch (block.kind) {
      case "heading":
        return [manHeading(plain(block.text), block.level - level + 1)];
      case "paragraph":
        return [".PP", manInline(block.text)];
      case "code":
        return manCode(block.code);
      case "list":
        return block.items.flatMap((item, index) =>
          listItem(item, { mark: block.numbered ? `${index + 1}.` : "\\(bu", level })
        );
      case "table":
        return block.rows.flatMap((cells) => tableRow(cells, block.header));
    }
  });
}

function listItem(
  item: readonly MarkdownBlock[],
  { mark, level }: { mark: string; level: number },
): string[] {
  const [first, ...more] = item;
  const head = first?.kind === "paragraph" ? [manInline(first.text)] : [];
  const rest = first?.kind === "paragraph" ? more : item;
  const body = rest.length === 0 ? [] : [".RS 3", ...manBlocks(rest, level), ".RE"];
  return [`.IP "${mark}" 3`, ...head, ...body];
}

/** A row as a term; a column between the first and the last is named. */
function tableRow(cells: readonly string[], header: readonly string[]): string[] {
  const [term = "", ...rest] = cells;
  const meaning = rest.at(-1) ?? "";
  const between = rest.slice(0, -1).flatMap((cell, index) =>
    cell === "" ? [] : [`${roffText(header[index + 1] ?? "")}: ${manInline(cell)}`]
  );
  return manTerm(manInline(term), [
    manInline(meaning),
    ...between.flatMap((line) => [".br", line]),
  ]);
}

/** Text with its marks: code and strong words are bold, links are their text and their address. */
export function manInline(markdown: string): string {
  return guarded(parseInline(markdown).map(inlineText).join(""));
}

function inlineText(part: InlineText): string {
  const text = escapeRoff(part.text);
  switch (part.kind) {
    case "code":
    case "strong":
      return `\\fB${text}\\fR`;
    case "emphasis":
      return `\\fI${text}\\fR`;
    case "link":
      return /^https?:/.test(part.target) && part.target !== part.text
        ? `${text} (${escapeRoff(part.target)})`
        : text;
    default:
      return text;
  }
}

function plain(markdown: string): string {
  return parseInline(markdown).map(({ text }) => text).join("");
}
