/** `evs subscription resume`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { nameArgument } from "./shared.ts";

export const route = verb<Record<never, never>, [string]>({
  brief: "Resume a paused subscription",
  description: "Resumes a paused subscription where it stopped.",
  examples: [["subscription resume mailer", "deliver again"]],
  parameters: { positional: nameArgument },
  async run(this: EvsContext, _flags: unknown, name: string): Promise<void> {
    const info = await (await this.client()).resumeSubscription(name);
    if (this.forPeople) this.say(`${name} goes on; ${info.pending} pending`);
    else this.printJson(info);
  },
});
