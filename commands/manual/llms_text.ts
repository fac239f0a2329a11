/** `docs/llms.txt`: the whole documentation on one page for language models (llmstxt.org). */
import { type CommandEntry, commandsOf } from "./command_table.ts";

/** A page of the documentation, as the list names it. */
export interface ListedPage {
  /** Relative to the folder `docs`. */
  path: string;
  title: string;
  /** Its first sentence. */
  summary: string;
}

/** The text. */
export function llmsText(
  table: readonly CommandEntry[],
  { pages, about }: { pages: readonly ListedPage[]; about: string },
): string {
  const commands = commandsOf(table).flatMap((entry) => [
    `- [evs ${entry.path}](cli/${entry.path.split(" ")[0]}.md): ${entry.brief}`,
    ...entry.usage.map((line) => `  - \`${line}\``),
    ...entry.inputs.flags.filter(([words]) => !words.startsWith("--wait "))
      .map(([words, meaning]) => `  - \`${words}\`: ${meaning}`),
    ...entry.examples.map(([line, meaning]) => `  - Example: \`evs ${line}\`: ${meaning}`),
  ]);
  const docs = pages.map(({ path, title, summary }) => `- [${title}](${path}): ${summary}`);
  return `# env-event-stream

> ${about}

Standard output carries data and standard error carries messages. In a pipe, every command prints
one JSON object per line; on a terminal, tables. Every command takes --json, --color, --quiet,
--verbose and --help, --socket, --data-dir and --config (instead of EVS_SOCKET, EVS_DATA_DIR and
EVS_CONFIG), --context (a name for these places), and --wait if it uses the daemon. \`evs docs WORD\` prints any of this offline.

## Docs

${docs.join("\n")}

## Commands

${commands.join("\n")}
`;
}
