/** `evs docs`: the documentation in the terminal, without a network. */
import { EvsError, ExitCode } from "../core/base/errors.ts";
import { didYouMean } from "../core/base/suggest.ts";
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";
import { documentationFolder } from "./manual/folder.ts";
import { markdownAsText } from "./manual/plain_text.ts";
import {
  lookUp,
  type ManualSection,
  manualWords,
  readManual,
  summaryOf,
} from "./manual/sections.ts";
import { pad, width } from "./terminal/table.ts";
import { wrapText } from "./terminal/wrap.ts";

export const route = verb<Record<never, never>, string[]>({
  brief: "Read the documentation, offline",
  description:
    "Prints a part of the documentation as plain text; without WORD, lists the pages. The words name a command, a page, a heading, a promise of the contract or a design decision by its number, a flag, a config key or an error code. Other words are searched for in the text, and what has them is listed. With --json it prints a line of JSON for each part, with its Markdown. Exit code 1 if there is nothing about the words.",
  examples: [
    ["docs", "The pages."],
    ["docs dlq retry", "A command."],
    ["docs exit codes", "What is under this heading."],
    ["docs contract 8", "A promise, with the tests that show it."],
    ["docs store/disk-full", "What an error code means."],
    ["docs adr 31", "A design decision; docs adr lists all of them."],
    ["docs power cut", "What is said about power cuts."],
  ],
  parameters: {
    positional: {
      kind: "array",
      parameter: {
        parse: plainText,
        brief: "A command, a page, a heading, an error code, or words to search for",
        placeholder: "WORD",
      },
    },
  },
  needsDaemon: false,
  async run(this: EvsContext, _flags, ...words): Promise<void> {
    const sections = await readManual(documentationFolder());
    if (words.join("").trim() === "") return await listPages(this, sections);
    const found = lookUp(sections, words);
    if (found === undefined) throw nothingAbout(words, sections);
    if (this.json) {
      for (const part of found.shown.length > 0 ? found.shown : found.others) printPart(this, part);
      return;
    }
    const style = { paint: this.paint, columns: columnsOf(this) };
    await this.stdout.write(
      found.shown.map(({ markdown }) => markdownAsText(markdown, style)).join("\n"),
    );
    if (found.others.length > 0) {
      const title = found.shown.length > 0 ? "SEE ALSO" : `FOUND "${words.join(" ")}" IN`;
      const lead = found.shown.length > 0 ? "\n" : "";
      await this.stdout.write(lead + listing(this, title, found.others.map(titled)));
    }
  },
});

async function listPages(context: EvsContext, sections: readonly ManualSection[]): Promise<void> {
  const pages = sections.filter(({ level }) => level === 1);
  if (context.json) {
    for (const page of pages) printPart(context, page);
    return;
  }
  const { verbs } = await import("./mod.ts");
  const commands = [...verbs].map(([name, { brief }]): Line => [`evs docs ${name}`, brief]);
  const named = pages.filter(({ isCommand, isDecision }) => !isCommand && !isDecision);
  const decisions: Line = ["evs docs adr", "Design decisions and their reasons"];
  const lists = [
    listing(context, "COMMANDS", commands),
    listing(context, "PAGES", [...named.map(summarised), decisions]),
    listing(
      context,
      "FIRST STEPS",
      sections.filter(({ page, level }) => page === "readme" && level === 2).map(titled),
    ),
  ];
  await context.stdout.write(
    lists.join("\n") +
      "\nAlso: evs docs with a heading, a config key, an error code, or words to search for.\n",
  );
}

function printPart(context: EvsContext, { address, title, markdown }: ManualSection): void {
  context.printJson({ address, title, markdown });
}

function columnsOf({ stdout }: EvsContext): number {
  return Math.max(40, Math.min(stdout.columns ?? 80, 100));
}

/** What is typed, and what it is about. */
type Line = readonly [typed: string, about: string];

function listing(context: EvsContext, title: string, lines: readonly Line[]): string {
  if (lines.length === 0) return "";
  const longest = Math.min(30, Math.max(...lines.map(([typed]) => width(typed))));
  const gap = " ".repeat(longest + 4);
  const rows = lines.map(([typed, about]) => {
    if (about === "") return `  ${typed}`;
    if (width(typed) > longest) return `  ${typed}\n${wrapText(gap + about, columnsOf(context))}`;
    const body = wrapText(gap + about, columnsOf(context)).slice(gap.length);
    return `  ${pad(typed, { width: longest })}  ${body}`;
  });
  return `${context.paint.bold(title)}\n${rows.join("\n")}\n`;
}

/** An address that ends with its title says everything; a promise of the contract has a number. */
function titled({ address, title, level }: ManualSection): Line {
  return [`evs docs ${address}`, level === 1 || /\d$/.test(address) ? title : ""];
}

function summarised({ address, markdown }: ManualSection): Line {
  return [`evs docs ${address}`, summaryOf(markdown)];
}

function nothingAbout(words: readonly string[], sections: readonly ManualSection[]): EvsError {
  const typed = words.join(" ");
  const near = didYouMean(typed, manualWords(sections));
  return new EvsError(
    { code: "docs/not-found", status: 404, exit: ExitCode.NotFound },
    `the documentation has nothing about ${JSON.stringify(typed)}${near ? `; ${near}` : ""}`,
    { hint: "evs docs" },
  );
}
