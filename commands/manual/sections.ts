/**
 * The pages of the documentation in sections, and which of them a word asks for. Reading the files
 * is at the end; the rest is pure.
 */
import { isFile } from "./folder.ts";
import { type MarkdownBlock, parseMarkdown, plainInline } from "./markdown.ts";

/** A page, or a part of it under a heading. */
export interface ManualSection {
  /** What is typed behind `evs docs` to get this section and no other. */
  address: string;
  /** The page's name: `configuration`, or a verb. */
  page: string;
  /** True for the page of a command, or a part of it. */
  isCommand: boolean;
  /** True for a design decision, which is looked at only if nothing else fits. */
  isDecision?: boolean;
  /** The heading. */
  title: string;
  /** 1 for a whole page. */
  level: number;
  markdown: string;
}

/** What was found. */
export interface FoundSections {
  /** To be printed. */
  shown: ManualSection[];
  /** Others that fit as well, or all of them if it is not clear which one is meant. */
  others: ManualSection[];
}

/** A page of the documentation. */
interface ManualPage {
  name: string;
  isCommand: boolean;
  isDecision?: boolean;
}

/** Divides a page at its headings; each section has those below it. The page itself comes first. */
export function sectionsOf(
  { name, markdown, isCommand, isDecision }: ManualPage & { markdown: string },
): ManualSection[] {
  const lines = markdown.split("\n");
  const headings: { at: number; level: number; title: string }[] = [];
  let isCode = false;
  for (const [at, line] of lines.entries()) {
    if (line.startsWith("```")) isCode = !isCode;
    const [, marks, title] = isCode ? [] : /^(#+) +(.+)$/.exec(line) ?? [];
    if (marks !== undefined) headings.push({ at, level: marks.length, title: plainInline(title!) });
  }
  return headings.flatMap(({ at, level, title }, index) => {
    // "Flags" and "Examples" are on every page of a command; those pages say of a command what
    // other pages repeat.
    if (isCommand !== title.startsWith("evs ") && level > 1) return [];
    // Decisions are short, and all have the same headings.
    if (isDecision && level > 1) return [];
    const next = headings.slice(index + 1).find((later) => later.level <= level);
    return [{
      address: addressOf({ page: name, level, title, isCommand }),
      page: name,
      isCommand,
      ...isDecision && { isDecision },
      title,
      level,
      markdown: lines.slice(at, next?.at).join("\n").trimEnd() + "\n",
    }];
  });
}

function addressOf(
  { page, level, title, isCommand }: {
    page: string;
    level: number;
    title: string;
    isCommand: boolean;
  },
): string {
  if (level === 1) return page;
  if (isCommand) return title.replace(/^evs /, "");
  // A promise of the contract has a number.
  return `${page} ${/^(\d+)\. /.exec(title)?.[1] ?? normal(title)}`;
}

/** Lower case, without punctuation that nobody types. */
function normal(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}/._-]+/gu, " ").trim();
}

/** What the words ask for; nothing if nothing fits. */
export function lookUp(
  sections: readonly ManualSection[],
  words: readonly string[],
): FoundSections | undefined {
  const typed = normal(pageOf(words.join(" "))).replace(/^evs /, "").replace(/^adr 0+/, "adr ");
  if (!/[\p{L}\p{N}]/u.test(typed)) return undefined;
  const named = sections.filter(({ address }) => address === typed);
  if (named.length > 0) return first(named);
  const decisions = sections.filter(({ isDecision }) => isDecision);
  if (typed === "adr") return { shown: [], others: decisions };
  return lookUpIn(sections.filter(({ isDecision }) => !isDecision), typed) ??
    lookUpIn(decisions, typed);
}

/** A page that is named by its file, as in a link: `docs/shell.md`, `docs/adr/0035-debian.md`. */
function pageOf(typed: string): string {
  const [, folder, name] = /^(?:\.\/)?(?:docs\/)?((?:cli|adr)\/)?([\w-]+)\.md$/i.exec(typed) ?? [];
  if (name === undefined) return typed;
  return folder === "adr/" ? `adr ${parseInt(name)}` : name;
}

function lookUpIn(sections: readonly ManualSection[], typed: string): FoundSections | undefined {
  const titled = sections.filter(({ title, level }) => level > 1 && bareTitle(title) === typed);
  if (titled.length > 0) return first(titled);
  const terms = sections.filter(({ level }) => level === 1)
    .flatMap((page) => termsOf(page).filter(({ title }) => termWords(title) === typed));
  if (terms.length > 0) return { shown: terms, others: [] };
  const inTitle = sections.filter(({ page, title }) => hasWords(normal(`${page} ${title}`), typed));
  if (inTitle.length > 0) return single(inTitle);
  const texts = new Map(sections.map((section) => [section, normal(section.markdown)]));
  const having = (fits: (text: string) => boolean) =>
    innermost(sections.filter((section) => fits(texts.get(section)!)));
  const inText = having((text) => text.includes(typed));
  if (inText.length > 0) return single(inText);
  const scattered = having((text) => typed.split(" ").every((word) => text.includes(word)))
    .filter(({ level, isDecision }) => level > 1 || isDecision);
  return scattered.length > 0 ? single(scattered) : undefined;
}

/** Names that may have been meant. */
export function manualWords(sections: readonly ManualSection[]): string[] {
  return [
    ...new Set(sections.flatMap(({ address, title }) => [address, bareTitle(title)])),
  ];
}

/** Words that may follow those that were typed, of the addresses that begin with them. */
export function wordsAfter(
  sections: readonly ManualSection[],
  typed: readonly string[],
): string[] {
  const after = sections.map(({ address }) => address.split(" "))
    .filter((words) => typed.every((word, at) => words[at] === word))
    .flatMap((words) => words[typed.length] ?? []);
  return [...new Set(after)];
}

function first([shown, ...others]: readonly ManualSection[]): FoundSections {
  return { shown: [shown!], others };
}

function single(found: ManualSection[]): FoundSections {
  return found.length === 1 ? first(found) : { shown: [], others: found };
}

function bareTitle(title: string): string {
  return normal(title.replace(/^\d+\. /, "").replace(/^evs /, ""));
}

function hasWords(title: string, typed: string): boolean {
  const own = title.split(" ");
  return typed.split(" ").every((word) => own.some((one) => one.startsWith(word)));
}

/** Sections none of whose parts is found, too. */
function innermost(found: ManualSection[]): ManualSection[] {
  return found.filter((section) =>
    !found.some((other) =>
      other !== section && other.page === section.page && other.level > section.level &&
      section.markdown.includes(other.markdown)
    )
  );
}

/** What a page explains in lists and tables: error codes, keys, variables, flags. */
function termsOf(page: ManualSection): ManualSection[] {
  const found: ManualSection[] = [];
  let under = page.title;
  for (const block of parseMarkdown(page.markdown)) {
    if (block.kind === "heading") {
      const title = plainInline(block.text);
      if (!page.isCommand || title.startsWith("evs ")) under = title;
    }
    if (block.kind === "table") {
      for (const row of block.rows) add(row[0] ?? "", rowText(row, block.header));
    }
    if (block.kind === "list") {
      for (const item of block.items) addItem(item);
    }
  }
  return found;

  function addItem([head]: readonly MarkdownBlock[]): void {
    if (head?.kind !== "paragraph") return;
    const [, term, meaning] = /^(`[^`]+`): (.+)$/s.exec(head.text) ?? [];
    if (term !== undefined) add(term, meaning!);
  }

  function add(term: string, meaning: string): void {
    if (!term.startsWith("`")) return;
    // Flags are on the pages of their commands, too.
    if (!page.isCommand && /^`-.*`/.test(term) && under.startsWith("evs ")) return;
    found.push({
      ...page,
      level: 3,
      title: plainInline(term),
      markdown: `${term} (${page.isCommand ? under : `${page.address}, ${under}`}): ${meaning}\n`,
    });
  }
}

function rowText(row: readonly string[], header: readonly string[]): string {
  return [
    row.at(-1) ?? "",
    ...row.slice(1, -1).flatMap((cell, index) =>
      cell === "" ? [] : [`${header[index + 1]}: ${cell}`]
    ),
  ].join("; ");
}

/** `--rate N/s` is looked up as `rate`. */
function termWords(term: string): string {
  return normal(term.replace(/^.*--/, "").replace(/ .*$/s, ""));
}

/** The first sentence of a page. */
export function summaryOf(markdown: string): string {
  const first = parseMarkdown(markdown).find(({ kind }) => kind === "paragraph");
  const text = first?.kind === "paragraph" ? plainInline(first.text) : "";
  return /^.*?[.;](?= |$)/s.exec(text)?.[0].slice(0, -1) ?? text;
}

/**
 * Reads all pages below a folder: README, docs, docs/cli and docs/adr, in that order. Packages have
 * the README in `docs`; theirs at the top is about the package.
 */
export async function readManual(folder: URL): Promise<ManualSection[]> {
  const readme = ["docs/README.md", "README.md"].find((path) => isFile(new URL(path, folder)));
  const pages = [
    { name: "readme", path: readme ?? "README.md", isCommand: false },
    ...await markdownFiles(new URL("docs/", folder), { prefix: "docs/", isCommand: false }),
    ...await markdownFiles(new URL("docs/cli/", folder), { prefix: "docs/cli/", isCommand: true }),
    ...(await markdownFiles(new URL("docs/adr/", folder), {
      prefix: "docs/adr/",
      isCommand: false,
    }))
      .map((page) => ({ ...page, name: `adr ${parseInt(page.name)}`, isDecision: true })),
  ];
  const read = await Promise.all(
    pages.map(async ({ path, ...page }) => ({
      ...page,
      markdown: await Deno.readTextFile(new URL(path, folder)),
    })),
  );
  return read.flatMap(sectionsOf);
}

async function markdownFiles(
  folder: URL,
  { prefix, isCommand }: { prefix: string; isCommand: boolean },
): Promise<{ name: string; path: string; isCommand: boolean }[]> {
  const found: { name: string; path: string; isCommand: boolean }[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || !name.endsWith(".md") || name === "README.md") continue;
    found.push({ name: name.slice(0, -".md".length), path: `${prefix}${name}`, isCommand });
  }
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}
