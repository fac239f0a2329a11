/** `evs subscription pause`. */
import type { EvsContext } from "../cli/context.ts";
import { parseDuration } from "../../core/base/units.ts";
import { formatTime } from "../terminal/table.ts";
import { textFlag, verb } from "../cli/define.ts";
import { nameArgument } from "./shared.ts";

type PauseFlags = { reason?: string; for?: number };

export const route = verb<PauseFlags, [string]>({
  brief: "Stop deliveries to a subscription",
  description:
    "Stops deliveries until the subscription is resumed; nothing is lost. A running consume finishes what it has and waits; with --until-empty it exits with 1. The pause survives restarts of consumers and of the daemon.",
  examples: [
    ["subscription pause mailer --for 1h", "pause for an hour"],
    ['subscription pause mailer --reason "mail server is moving"', "pause, and say why"],
  ],
  parameters: {
    flags: {
      reason: textFlag("The reason, shown with the subscription", "TEXT"),
      for: {
        kind: "parsed",
        parse: (input) => parseDuration(input, "--for"),
        brief: "End the pause automatically after this long",
        placeholder: "DURATION",
        optional: true,
      },
    },
    positional: nameArgument,
  },
  async run(this: EvsContext, flags: PauseFlags, name: string): Promise<void> {
    const client = await this.client();
    const { reason, for: forMs } = flags;
    const info = await client.pauseSubscription(name, {
      reason,
      forMs: forMs === undefined ? undefined : Math.max(1, Math.round(forMs)),
    });
    if (!this.forPeople) return this.printJson(info);
    const until = info.pausedUntil === undefined ? "" : ` until ${formatTime(info.pausedUntil)}`;
    this.say(`${name} is paused${until}; go on with: evs subscription resume ${name}`);
  },
});
