/**
 * The unit of a consumer, one for each subscription. It starts and stops with the daemon's unit,
 * and comes back whenever it ends. Its handler is somebody's own program, so it is not sandboxed.
 */
import { DAEMON_UNIT, environmentSettings, SYSTEM_CACHE } from "./daemon_unit.ts";
import type { RunAsFlags } from "./flags.ts";
import { type Installation, placeVariables, SYSTEM_USER } from "./installation.ts";
import { commandLine, description, unitText, wholePath } from "./unit_syntax.ts";

/** The name of a consumer's unit. The names of subscriptions need no escapes. */
export function consumerUnitName(subscription: string): string {
  return `evs-consume-${subscription}.service`;
}

/** Flags of `evs service` itself, which the consumer does not have. */
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

/**
 * The words after `evs` that run the consumer: those that were typed, without the flags of `evs
 * service`. A pause stays in force, so that a restart does not lift it.
 */
export function consumeWords(argv: readonly string[]): string[] {
  const { kept, rest } = serviceWords(argv, "consume");
  const isTold = kept.map(flagName).some((name) => name === "--resume" || name === "--no-resume");
  return ["consume", ...kept, ...(isTold ? [] : ["--no-resume"]), ...rest];
}

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
function flagName(word: string): string {
  const [name = ""] = word.split("=");
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What a consumer's unit is made of. */
export interface ConsumerUnitOptions extends RunAsFlags {
  subscription: string;
  topic: string;
  /** The words after `evs`. */
  words: readonly string[];
}

/** The text of the unit. Pure. */
export function consumerUnit(place: Installation, options: ConsumerUnitOptions): string {
  const { subscription, topic, words, as } = options;
  const { scope, program, paths, runtime, caller, folder } = place;
  const variables = { ...placeVariables(paths), ...runtime, ...caller };
  const user = as ?? SYSTEM_USER;
  return unitText({
    Unit: [
      ["Description", description(`evs consumer ${subscription} of ${topic}`)],
      ["BindsTo", DAEMON_UNIT],
      ["After", DAEMON_UNIT],
      // It is restarted for as long as it takes.
      ["StartLimitIntervalSec", "0"],
    ],
    Service: [
      ["Type", "exec"],
      ["ExecStart", commandLine([program, ...words])],
      ["WorkingDirectory", wholePath(folder)],
      ...environmentSettings(variables),
      scope === "system" ? ["User", user] : undefined,
      ...(scope === "system" && user === SYSTEM_USER ? SYSTEM_CACHE : []),
      scope === "system" && user !== SYSTEM_USER ? ["SupplementaryGroups", SYSTEM_USER] : undefined,
      ["Restart", "always"],
      ["RestartSec", "2s"],
      // Dead letters are kept and reported; the consumer itself did not fail.
      ["SuccessExitStatus", "6"],
      // A command line that is wrong stays wrong.
      ["RestartPreventExitStatus", "2"],
      // evs ends its handlers itself and returns their events.
      ["KillMode", "mixed"],
      ["TimeoutStopSec", "30s"],
    ],
    Install: [["WantedBy", DAEMON_UNIT]],
  });
}
