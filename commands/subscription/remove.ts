/** `evs subscription remove`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { nameArgument } from "./shared.ts";

type RemoveFlags = { yes: boolean };

export const route = verb<RemoveFlags, [string]>({
  brief: "Remove a subscription",
  description:
    "Removes a subscription's position and its scheduled retries; its dead letters stay. Asks for confirmation; in a script, --yes is required.",
  examples: [["subscription remove mailer --yes", "remove mailer"]],
  parameters: {
    flags: { yes: { kind: "boolean", brief: "Do not ask for confirmation", default: false } },
    positional: nameArgument,
  },
  async run(this: EvsContext, flags: RemoveFlags, name: string): Promise<void> {
    const client = await this.client();
    const info = await client.subscription(name);
    const question =
      `Remove subscription ${name} (${info.pending} pending, ${info.scheduled} scheduled)?`;
    const { yes } = flags;
    if (!await this.confirm(question, { yes, declined: "nothing was removed" })) return;
    await client.removeSubscription(name);
    if (this.forPeople) this.say(`${name} is removed`);
    else this.printJson({ removed: name });
  },
});
