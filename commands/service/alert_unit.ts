/**
 * The unit of an `evs alert`. It runs from boot on, with the daemon or without: that the daemon is
 * not there is one of the things that it tells. Its command is somebody's own program, so it is not
 * sandboxed.
 */
import { serviceWords } from "./consumer_unit.ts";
import { DAEMON_UNIT, environmentSettings, SYSTEM_CACHE } from "./daemon_unit.ts";
import type { RunAsFlags } from "./flags.ts";
import { type Installation, placeVariables, SYSTEM_USER } from "./installation.ts";
import { assignment, commandLine, description, unitText, wholePath } from "./unit_syntax.ts";

/** The name of its unit. Its own name needs no escapes. */
export function alertUnitName(name: string): string {
  return `evs-alert-${name}.service`;
}

/** The words after `evs` that run it: those that were typed, without the flags of `evs service`. */
export function alertWords(argv: readonly string[]): string[] {
  const { kept, rest } = serviceWords(argv, "alert");
  return ["alert", ...kept, ...rest];
}

/** What its unit is made of. */
export interface AlertUnitOptions extends RunAsFlags {
  name: string;
  /** The words after `evs`. */
  words: readonly string[];
}

/** The text of the unit. Pure. */
export function alertUnit(place: Installation, { name, words, as }: AlertUnitOptions): string {
  const { scope, program, paths, runtime, caller, folder } = place;
  const variables = { ...placeVariables(paths), ...runtime, ...caller };
  const user = as ?? SYSTEM_USER;
  const isSystem = scope === "system";
  return unitText({
    Unit: [
      ["Description", description(`evs alert ${name}`)],
      ["After", DAEMON_UNIT],
      // It is restarted for as long as it takes.
      ["StartLimitIntervalSec", "0"],
    ],
    Service: [
      ["Type", "exec"],
      ["ExecStart", commandLine([program, ...words])],
      ["WorkingDirectory", wholePath(folder)],
      ...environmentSettings(variables),
      isSystem ? ["User", user] : undefined,
      ...(isSystem && user === SYSTEM_USER ? SYSTEM_CACHE : []),
      isSystem && user !== SYSTEM_USER ? ["SupplementaryGroups", SYSTEM_USER] : undefined,
      // What it told, in a folder that is its own: the data dir is the daemon's.
      isSystem ? ["StateDirectory", `evs-alert-${name}`] : undefined,
      isSystem ? ["StateDirectoryMode", "0700"] : undefined,
      isSystem
        ? ["Environment", assignment("XDG_STATE_HOME", `/var/lib/evs-alert-${name}`)]
        : undefined,
      ["Restart", "always"],
      ["RestartSec", "2s"],
      // A command line that is wrong stays wrong.
      ["RestartPreventExitStatus", "2"],
      // evs lets its commands end, and ends those that do not.
      ["KillMode", "mixed"],
      ["TimeoutStopSec", "30s"],
    ],
    Install: [["WantedBy", isSystem ? "multi-user.target" : "default.target"]],
  });
}
