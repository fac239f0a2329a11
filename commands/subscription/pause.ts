/** `evs subscription pause`. */
import type { EvsContext } from "../cli/context.ts";
import { text, verb } from "../cli/define.ts";
import { nameArgument } from "./shared.ts";

type PauseFlags = { reason?: string };

export const pause = verb<PauseFlags, [string]>({
  brief: "Stop deliveries to a subscription",
  description:
    "Stops deliveries until the subscription is resumed; nothing is lost. A running consume finishes what it has and ends with 1.",
  examples: [['subscription pause mailer --reason "mail server moves"', "pause, and say why"]],
  parameters: {
    flags: {
      reason: {
        kind: "parsed",
        parse: text,
        brief: "Why; shown to whoever looks",
        placeholder: "TEXT",
        optional: true,
      },
    },
    positional: nameArgument,
  },
  async run(this: EvsContext, flags: PauseFlags, name: string): Promise<void> {
    const client = await this.client();
    const { reason } = flags;
    const info = await client.pauseSubscription(name, reason === undefined ? {} : { reason });
    if (this.forPeople) this.say(`${name} is paused; go on with: evs subscription resume ${name}`);
    else this.printJson(info);
  },
});
