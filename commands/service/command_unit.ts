/**
 * What the units of `evs consume` and `evs alert` have in common: the words that run them, whose
 * they are, and that they come back whenever they end. Their commands are somebody's own programs,
 * so they are not sandboxed.
 */
import { environmentSettings, SYSTEM_CACHE } from "./daemon_unit.ts";
import type { RunAsFlags } from "./flags.ts";
import { type Installation, placeVariables, SYSTEM_USER } from "./installation.ts";
import { commandLine, type Section, wholePath } from "./unit_syntax.ts";

/** Flags of `evs service` itself, which what it runs does not have. */
const OURS = new Set([
  "--user",
  "--system",
  "--launchd",
  "--start",
  "--no-start",
  "--force",
  "--quiet",
  "--verbose",
  "--json",
]);
/** The same with a value. */
const OURS_WITH_VALUE = new Set(["--as", "--color"]);

/** The words behind a verb without the flags of `evs service`, and `--` with what is behind it. */
export function serviceWords(
  argv: readonly string[],
  verb: string,
): { kept: string[]; rest: string[] } {
  const begin = argv.indexOf(verb);
  const end = argv.indexOf("--", begin);
  const flags = end < 0 ? argv.slice(begin + 1) : argv.slice(begin + 1, end);
  const kept: string[] = [];
  for (let i = 0; i < flags.length; i++) {
    const word = flags[i]!;
    const name = flagName(word);
    if (!OURS.has(name) && !OURS_WITH_VALUE.has(name)) kept.push(word);
    else if (OURS_WITH_VALUE.has(name) && !word.includes("=")) i++;
  }
  return { kept, rest: end < 0 ? [] : argv.slice(end) };
}

/** A flag without its value, and as the help has it: `--noStart` is accepted, too. */
export function flagName(word: string): string {
  const [name = ""] = word.split("=");
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What such a unit is made of. */
export interface CommandUnitOptions extends RunAsFlags {
  /** The words after `evs`. */
  words: readonly string[];
}

/** It is restarted for as long as it takes. */
export const RESTARTED: Section = [["StartLimitIntervalSec", "0"]];

/** The settings of its service, with some of its own. Pure. */
export function commandSettings(
  { scope, program, paths, runtime, caller, folder }: Installation,
  { words, as }: CommandUnitOptions,
  own: Section = [],
): Section {
  const variables = { ...placeVariables(paths), ...runtime, ...caller };
  const user = as ?? SYSTEM_USER;
  const isSystem = scope === "system";
  return [
    ["Type", "exec"],
    ["ExecStart", commandLine([program, ...words])],
    ["WorkingDirectory", wholePath(folder)],
    ...environmentSettings(variables),
    isSystem ? ["User", user] : undefined,
    ...(isSystem && user === SYSTEM_USER ? SYSTEM_CACHE : []),
    isSystem && user !== SYSTEM_USER ? ["SupplementaryGroups", SYSTEM_USER] : undefined,
    ...own,
    ["Restart", "always"],
    ["RestartSec", "2s"],
    // A command line that is wrong stays wrong.
    ["RestartPreventExitStatus", "2"],
    // evs ends what it runs itself.
    ["KillMode", "mixed"],
    ["TimeoutStopSec", "30s"],
  ];
}
