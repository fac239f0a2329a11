/** `evs completions`: completion scripts for shells, and the names that the scripts ask for. */
import { buildRouteMap } from "@stricli/core";
import { InvalidArgumentError, NoDaemonError } from "../core/base/errors.ts";
import { completionScript, type Shell } from "./completion/scripts.ts";
import { completionTree, type NameKind, nameKinds } from "./completion/tree.ts";
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";

const script = (shell: Shell, example: string) =>
  verb<Record<never, never>, []>({
    brief: `The completion script for ${shell}`,
    description:
      "Prints a script that completes verbs, flags, and the names of the running daemon's topics, subscriptions and schemas.",
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

/**
 * Called by the scripts: prints one name per line. Silent if no daemon answers: nobody wants
 * messages while typing.
 */
const names = verb<Record<never, never>, [string]>({
  brief: "Names that the running daemon knows",
  examples: [["completions names topics", "every topic, one per line"]],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: plainText, brief: nameKinds.join(", "), placeholder: "KIND" }],
    },
  },
  async run(this: EvsContext, _flags: unknown, kind: string): Promise<void> {
    if (!isNameKind(kind)) {
      throw new InvalidArgumentError(`there are no names of ${kind}`, {
        hint: `one of ${nameKinds.join(", ")}`,
      });
    }
    let found: string[];
    try {
      found = await namesOf(this, kind);
    } catch (error) {
      if (error instanceof NoDaemonError) return;
      throw error;
    }
    // Names that a shell would not take as a single word are left out; the user has to quote them.
    const plain = [...new Set(found)].filter((name) => /^[\w.:@%+/-]+$/.test(name));
    await this.stdout.write(plain.map((name) => `${name}\n`).join(""));
  },
});

function isNameKind(kind: string): kind is NameKind {
  return nameKinds.some((known) => known === kind);
}

async function namesOf(context: EvsContext, kind: NameKind): Promise<string[]> {
  const client = await context.client();
  switch (kind) {
    case "topics":
      return (await client.topics()).map((topic) => topic.name);
    case "subscriptions":
      return (await client.subscriptions()).map((subscription) => subscription.name);
    case "schemas":
      return (await client.schemas()).map((schema) => schema.type);
  }
}

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
