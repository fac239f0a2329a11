/** The pages of `docs/cli`: one for each verb, and an overview. Markdown, made from the table. */
import { hanging } from "../terminal/wrap.ts";
import { type CommandEntry, entriesBelow } from "./command_table.ts";

/** How the pages are made anew; stands at the top of each. */
export const REGENERATE = "deno task docs:cli";

const NOTE = `<!-- Made from the definitions of the commands by \`${REGENERATE}\`. -->`;

/** Every page by its file name. */
export function cliPages(table: readonly CommandEntry[]): Map<string, string> {
  return new Map([
    ["README.md", overviewPage(table)],
    ...table.map((entry): [string, string] => [`${entry.path}.md`, verbPage(entry)]),
  ]);
}

function overviewPage(table: readonly CommandEntry[]): string {
  const verbs = table.map(({ path, brief, members }) => {
    const below = members.map(({ path }) => `\`${path.split(" ").at(-1)}\``).join(", ");
    return `- [evs ${path}](${path}.md): ${proseLine(brief)}${below === "" ? "" : ` (${below})`}`;
  });
  return page("Commands", [
    "A page for each command of `evs`. `evs COMMAND --help` says the same in short, `evs docs COMMAND` prints the page, and there is a man page for each (`man evs-publish`).",
    verbs.join("\n"),
    "The flags that every command has, OFFSET, BACKOFF and EXPRESSION are explained in [configuration](../configuration.md#flags-of-every-command), exit codes [there, too](../configuration.md#exit-codes).",
  ]);
}

function verbPage(entry: CommandEntry): string {
  if (entry.members.length === 0) return page(`evs ${entry.path}`, commandBody(entry, "##"));
  const entries = entriesBelow(entry);
  return page(`evs ${entry.path}`, [
    prose(entry.description),
    entries.map(({ path, brief }) =>
      `- [evs ${path}](#evs-${path.replaceAll(" ", "-")}): ${proseLine(brief)}`
    ).join("\n"),
    ...entries.flatMap((one) => [
      `## evs ${one.path}`,
      ...(one.members.length === 0 ? commandBody(one, "###") : [prose(one.description)]),
    ]),
  ]);
}

function page(title: string, blocks: readonly string[]): string {
  return [NOTE, `# ${title}`, ...blocks].join("\n\n") + "\n";
}

function commandBody(entry: CommandEntry, level: string): string[] {
  const { places, flags, common } = entry.inputs;
  return [
    fenced("text", entry.usage.map((line) => hanging(line, { columns: 76, by: 4 })).join("\n")),
    prose(entry.description),
    ...section("Arguments", places.map(listed)),
    ...section("Flags", flags.map(listed)),
    `On every command: ${common.map((words) => `\`${words}\``).join(", ")}.`,
    ...section("Examples", [
      fenced(
        "sh",
        entry.examples.map(([line, meaning]) => `# ${sentence(meaning)}\nevs ${line}`).join("\n"),
      ),
    ]),
  ];

  function section(title: string, lines: readonly string[]): string[] {
    return lines.length === 0 ? [] : [`${level} ${title}`, lines.join("\n")];
  }
}

function sentence(meaning: string): string {
  return meaning.charAt(0).toUpperCase() + meaning.slice(1).replace(/\.$/, "");
}

function listed([words, meaning]: readonly [string, string]): string {
  return `- \`${words}\`: ${proseLine(meaning)}`;
}

function fenced(language: string, code: string): string {
  return `\`\`\`${language}\n${code}\n\`\`\``;
}

/** Each line is a paragraph; indented lines are in columns and keep them. */
function prose(description: string): string {
  const parts: string[] = [];
  let columns: string[] = [];
  for (const line of [...description.split("\n"), ""]) {
    if (line.startsWith("  ")) columns.push(line.slice(2));
    else {
      if (columns.length > 0) parts.push(fenced("text", columns.join("\n")));
      columns = [];
      if (line !== "") parts.push(proseLine(line));
    }
  }
  return parts.join("\n\n");
}

/** Flags, JSON and what has backticks as code; what Markdown would read as a mark is escaped. */
function proseLine(line: string): string {
  return line.split(/(`[^`]+`|(?<![\w-])--[a-z][a-z-]*|\{"[^}]*\})/).map((part, index) =>
    index % 2 === 1 ? `\`${part.replaceAll("`", "")}\`` : part.replace(/[*_<[\]`\\]/g, "\\$&")
  ).join("");
}
