/**
 * The one table of commands: each verb with how it is typed, its arguments, flags and examples, read
 * from the definitions that also parse the command line. Man pages, `docs/cli` and `llms.txt` are
 * made from it.
 */
import { type CommandInputs, entriesOf, inputsOf, isGroup, usageLines } from "../cli/help_page.ts";
import { type CommandRoute, docsOf, type LazyRoute } from "../cli/define.ts";

/** A command, or a group with its members. */
export interface CommandEntry {
  /** The words after `evs`. */
  path: string;
  brief: string;
  /** Sentences; lines that are indented are a list in columns. */
  description: string;
  /** How it is typed. */
  usage: readonly string[];
  examples: readonly (readonly [command: string, meaning: string])[];
  inputs: CommandInputs;
  /** The members of a group; none for a command. */
  members: readonly CommandEntry[];
}

/** All verbs, in help order. */
export async function commandTable(
  verbs: ReadonlyMap<string, LazyRoute>,
): Promise<CommandEntry[]> {
  return await Promise.all(
    [...verbs].map(async ([name, { load }]) => entryOf([name], (await load()).route)),
  );
}

/** Every command of a table without its groups, in help order. */
export function commandsOf(table: readonly CommandEntry[]): CommandEntry[] {
  return table.flatMap((entry) => entry.members.length === 0 ? [entry] : commandsOf(entry.members));
}

/** Everything below a group, in help order: its commands, and groups before their members. */
export function entriesBelow(group: CommandEntry): CommandEntry[] {
  return group.members.flatMap((entry) => [entry, ...entriesBelow(entry)]);
}

const NOTHING: CommandInputs = { places: [], flags: [], common: [] };

function entryOf(path: string[], route: CommandRoute): CommandEntry {
  const { brief, description = `${brief}.`, examples = [] } = docsOf(route);
  return {
    path: path.join(" "),
    brief,
    description,
    usage: usageLines({ route, path }).map((line) => line.trim()),
    examples,
    inputs: isGroup(route) ? NOTHING : inputsOf(route),
    members: isGroup(route)
      ? entriesOf(route).map(({ name, route }) => entryOf([...path, name], route))
      : [],
  };
}
