/**
 * The completion scripts. Verbs, flags and fixed values are part of the script; it gets names from
 * the running daemon through `evs completions names`, which prints nothing if there is no daemon.
 *
 * Names are matched only by string comparison: `compgen -W` and similar would expand `$(…)` in a
 * name.
 */
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import type { CompletionNode } from "./tree.ts";
import { zshScript } from "./zsh.ts";

/** The supported shells. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = typeof shells[number];

/** The script for one shell. */
export function completionScript(shell: Shell, tree: readonly CompletionNode[]): string {
  switch (shell) {
    case "bash":
      return bashScript(tree);
    case "zsh":
      return zshScript(tree);
    case "fish":
      return fishScript(tree);
  }
}
