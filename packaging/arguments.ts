/** The command lines of the build tasks. */
import { parseArgs } from "node:util";

/**
 * The values of a task's flags, as in `--platforms linux-x64` or `--platforms=linux-x64`. Throws for
 * any other word.
 */
export function readFlags<NAME extends string>(
  args: readonly string[],
  names: readonly NAME[],
): Partial<Record<NAME, string>> {
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  return parseArgs({ args: [...args], options }).values as Partial<Record<NAME, string>>;
}
