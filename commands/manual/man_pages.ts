/**
 * The man pages: evs(1), one for each verb, evs-config(5) and evs-contract(7). The pages of section
 * 1 are made from the table of commands, the others from `docs`.
 */
import { VERSION } from "../../core/base/version.ts";
import { type CommandEntry, commandsOf, entriesBelow } from "./command_table.ts";
import { type MarkdownBlock, parseMarkdown } from "./markdown.ts";
import {
  manBlocks,
  manCode,
  manHeader,
  manHeading,
  manProse,
  manSyntax,
  manTerm,
  roffText,
} from "./roff.ts";

/** What the pages are made from. */
export interface ManSources {
  table: readonly CommandEntry[];
  /** The examples of `evs --help`: whole lines. */
  examples: CommandEntry["examples"];
  /** `docs/configuration.md`. */
  configuration: string;
  /** `docs/contract.md`. */
  contract: string;
}

/** Every page by its file name, such as `evs-publish.1`. */
export function manPages(sources: ManSources): Map<string, string> {
  const configuration = parseMarkdown(sources.configuration);
  const pages = new Map<string, string[]>([
    ["evs.1", overviewPage(sources, configuration)],
    ...sources.table.map((entry): [string, string[]] => [
      `evs-${entry.path}.1`,
      verbPage(entry),
    ]),
    ["evs-config.5", configPage(configuration)],
    ["evs-contract.7", contractPage(parseMarkdown(sources.contract))],
  ]);
  return new Map([...pages].map(([name, lines]) => [name, lines.join("\n") + "\n"]));
}

function overviewPage(
  { table, examples }: ManSources,
  configuration: readonly MarkdownBlock[],
): string[] {
  return [
    ...header("evs", 1, "an event stream for one machine that a shell can use"),
    manHeading("Synopsis"),
    manSyntax("evs COMMAND [ARGUMENTS] [FLAGS]"),
    manHeading("Description"),
    roffText(
      "A daemon keeps events, dead letters and schemas behind a Unix socket. evs publishes events, follows and replays them, and runs any command for each of them; the exit code of that command decides whether the event is done, retried or kept as a dead letter.",
    ),
    manHeading("Commands"),
    ...table.flatMap(({ path, brief }) =>
      manTerm(`\\fBevs\\-${roffText(path)}\\fR(1)`, [roffText(brief)])
    ),
    manHeading("Common flags"),
    ...manBlocks(section(configuration, "Flags of every command")),
    ...exampleLines(examples),
    manHeading("Exit status"),
    ...manBlocks(section(configuration, "Exit codes")),
    manHeading("Environment and files"),
    roffText("See "),
    "\\fBevs\\-config\\fR(5).",
    ...seeAlso(["evs-docs(1)", "evs-config(5)", "evs-contract(7)"]),
  ];
}

function verbPage(entry: CommandEntry): string[] {
  const commands = commandsOf([entry]);
  return [
    ...header(`evs-${entry.path}`, 1, entry.brief),
    manHeading("Synopsis"),
    ...commands.flatMap(({ usage }) => usage.flatMap((line) => [".PP", manSyntax(line)])),
    manHeading("Description"),
    ...description(entry.description),
    ...(entry.members.length === 0 ? commandParts(entry) : [
      manHeading("Commands"),
      ...entriesBelow(entry).flatMap((one) => [
        manHeading(`evs ${one.path}`, 2),
        ...description(one.description),
        ...inputParts(one),
        ...ownExamples(one).flatMap(example),
      ]),
    ]),
    ...(entry.members.length === 0 ? exampleLines(ownExamples(entry)) : []),
    manHeading("Common flags"),
    manSyntax(commands[0]!.inputs.common.join(", ")),
    ".br",
    "These are explained in \\fBevs\\fR(1), with the exit codes.",
    ...seeAlso(["evs(1)", "evs-config(5)"]),
  ];
}

function commandParts(entry: CommandEntry): string[] {
  const { places, flags } = entry.inputs;
  return [
    ...(places.length === 0 ? [] : [manHeading("Arguments"), ...terms(places)]),
    ...(flags.length === 0 ? [] : [manHeading("Flags"), ...terms(flags)]),
  ];
}

function inputParts({ inputs }: CommandEntry): string[] {
  return [...terms(inputs.places), ...terms(inputs.flags)];
}

function terms(pairs: CommandEntry["inputs"]["flags"]): string[] {
  return pairs.flatMap(([words, meaning]) => manTerm(manSyntax(words), [manProse(meaning)]));
}

function exampleLines(examples: CommandEntry["examples"]): string[] {
  return examples.length === 0 ? [] : [manHeading("Examples"), ...examples.flatMap(example)];
}

function example([line, meaning]: readonly [string, string]): string[] {
  const sentence = meaning.charAt(0).toUpperCase() + meaning.slice(1).replace(/\.$/, "");
  return [".PP", roffText(`${sentence}:`), ...manCode(line)];
}

function ownExamples({ examples }: CommandEntry): CommandEntry["examples"] {
  return examples.map(([command, meaning]) => [`evs ${command}`, meaning]);
}

/** Each line is a paragraph; indented lines are in columns and keep them. */
function description(text: string): string[] {
  const parts: string[] = [];
  let columns: string[] = [];
  for (const line of [...text.split("\n"), ""]) {
    if (line.startsWith("  ")) {
      columns.push(line.slice(2));
      continue;
    }
    if (columns.length > 0) parts.push(...manCode(columns.join("\n")));
    columns = [];
    if (line !== "") parts.push(".PP", manProse(line));
  }
  return parts;
}

function configPage(configuration: readonly MarkdownBlock[]): string[] {
  return [
    ...header("evs-config", 5, "config file, environment and paths of evs"),
    manHeading("Description"),
    roffText(
      "Flags override environment variables, which override the config file, which overrides the defaults. The daemon reads its config file once, at startup.",
    ),
    ...["Config file", "Environment", "Paths"].flatMap((title) => [
      manHeading(title),
      ...manBlocks(section(configuration, title)),
    ]),
    ...seeAlso(["evs(1)", "evs-daemon(1)"]),
  ];
}

function contractPage(contract: readonly MarkdownBlock[]): string[] {
  const [, ...blocks] = contract; // its title
  return [
    ...header("evs-contract", 7, "what evs promises, and the test that shows it"),
    manHeading("Description"),
    ...manBlocks(blocks),
    ...seeAlso(["evs(1)", "evs-config(5)"]),
  ];
}

/** The blocks below a heading, up to the next one of its level. */
function section(blocks: readonly MarkdownBlock[], title: string): MarkdownBlock[] {
  const start = blocks.findIndex((block) => block.kind === "heading" && block.text === title);
  if (start < 0) throw new Error(`there is no section "${title}"`);
  const rest = blocks.slice(start + 1);
  const end = rest.findIndex((block) => block.kind === "heading" && block.level <= 2);
  return end < 0 ? rest : rest.slice(0, end);
}

function header(name: string, section: number, brief: string): string[] {
  const sentence = brief.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
  return manHeader({ name, section, brief: sentence, version: VERSION });
}

function seeAlso(pages: readonly string[]): string[] {
  return [
    manHeading("See also"),
    pages.map((page) =>
      page.replace(/^(.+)\((\d)\)$/, (_, name, section) => `\\fB${roffText(name)}\\fR(${section})`)
    ).join(", "),
  ];
}
