/**
 * The unit of an `evs alert`. It runs from boot on, with the daemon or without: that the daemon is
 * not there is one of the things that it tells.
 */
import {
  commandSettings,
  type CommandUnitOptions,
  RESTARTED,
  serviceWords,
} from "./command_unit.ts";
import { DAEMON_UNIT } from "./daemon_unit.ts";
import type { Installation } from "./installation.ts";
import { assignment, description, unitText } from "./unit_syntax.ts";

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
export interface AlertUnitOptions extends CommandUnitOptions {
  name: string;
}

/** The text of the unit. Pure. */
export function alertUnit(place: Installation, { name, ...options }: AlertUnitOptions): string {
  const isSystem = place.scope === "system";
  const folder = `evs-alert-${name}`;
  return unitText({
    Unit: [
      ["Description", description(`evs alert ${name}`)],
      ["After", DAEMON_UNIT],
      ...RESTARTED,
    ],
    Service: commandSettings(
      place,
      options,
      // What it told, in a folder that is its own: the data dir is the daemon's.
      !isSystem ? [] : [
        ["StateDirectory", folder],
        ["StateDirectoryMode", "0700"],
        ["Environment", assignment("XDG_STATE_HOME", `/var/lib/${folder}`)],
      ],
    ),
    Install: [["WantedBy", isSystem ? "multi-user.target" : "default.target"]],
  });
}
