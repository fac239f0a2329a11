/** `evs completions`: completion scripts for shells, and the names that the scripts ask for. */
import { buildRouteMap } from "@stricli/core";
import { nameKinds, printNames } from "./completion/names.ts";
import { completionScript, type Shell } from "./completion/scripts.ts";
import { completionTree } from "./completion/tree.ts";
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";

const script = (shell: Shell, example: string) =>
  verb<Record<never, never>, []>({
    brief: `The completion script for ${shell}`,
    description:
      "Prints a script that completes verbs, flags and their values, files, and the running daemon's topics, subscriptions, event types, schemas and dead letters.",
    examples: [[`completions ${shell}`, `load it with: ${example}`]],
    parameters: {},
    needsDaemon: false,
    async run(this: EvsContext): Promise<void> {
      const { verbs } = await import("./mod.ts");
      const entries = await Promise.all(
        [...verbs].map(async ([name, { brief, load }]) => ({
          name,
          brief,
          target: (await load()).route,
        })),
      );
      await this.stdout.write(completionScript(shell, completionTree(entries)));
    },
  });

/** Called by the scripts. `cli.ts` runs it without loading this file, unless help is wanted. */
const names = verb<Record<never, never>, string[]>({
  brief: "Names that the running daemon knows",
  examples: [
    ["completions names topics", "every topic, one per line"],
    [
      "completions names types '' orders",
      "the types of a topic's newest events and of all schemas",
    ],
  ],
  parameters: {
    positional: {
      kind: "array",
      parameter: {
        parse: plainText,
        brief: `${nameKinds.join(", ")}; then the word being completed and the arguments before it`,
        placeholder: "KIND",
      },
    },
  },
  needsDaemon: false,
  async run(this: EvsContext, _flags: unknown, ...query: string[]): Promise<void> {
    this.exitCode = await printNames(query);
  },
});

export const route = buildRouteMap<string, EvsContext>({
  routes: {
    bash: script("bash", "source <(evs completions bash)"),
    zsh: script("zsh", "source <(evs completions zsh)"),
    fish: script("fish", "evs completions fish | source"),
    names,
  },
  docs: {
    brief: "Completions for bash, zsh and fish",
    hideRoute: { names: true },
  },
});
