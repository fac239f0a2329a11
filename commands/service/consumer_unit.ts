/**
 * The unit of a consumer, one for each subscription. It starts and stops with the daemon's unit.
 */
import {
  commandSettings,
  type CommandUnitOptions,
  flagName,
  RESTARTED,
  serviceWords,
} from "./command_unit.ts";
import { DAEMON_UNIT } from "./daemon_unit.ts";
import type { Installation } from "./installation.ts";
import { description, unitText } from "./unit_syntax.ts";

/** The name of a consumer's unit. The names of subscriptions need no escapes. */
export function consumerUnitName(subscription: string): string {
  return `evs-consume-${subscription}.service`;
}

/**
 * The words after `evs` that run the consumer: those that were typed, without the flags of `evs
 * service`. A pause stays in force, so that a restart does not lift it.
 */
export function consumeWords(argv: readonly string[]): string[] {
  const { kept, rest } = serviceWords(argv, "consume");
  const isTold = kept.map(flagName).some((name) => name === "--resume" || name === "--no-resume");
  return ["consume", ...kept, ...(isTold ? [] : ["--no-resume"]), ...rest];
}

/** What a consumer's unit is made of. */
export interface ConsumerUnitOptions extends CommandUnitOptions {
  subscription: string;
  topic: string;
}

/** The text of the unit. Pure. */
export function consumerUnit(
  place: Installation,
  { subscription, topic, ...options }: ConsumerUnitOptions,
): string {
  return unitText({
    Unit: [
      ["Description", description(`evs consumer ${subscription} of ${topic}`)],
      ["BindsTo", DAEMON_UNIT],
      ["After", DAEMON_UNIT],
      ...RESTARTED,
    ],
    // Dead letters are kept and reported; the consumer itself did not fail.
    Service: commandSettings(place, options, [["SuccessExitStatus", "6"]]),
    Install: [["WantedBy", DAEMON_UNIT]],
  });
}
