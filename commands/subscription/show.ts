/** `evs subscription show`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { factsOf, nameArgument } from "./shared.ts";

export const route = verb<Record<never, never>, [string]>({
  brief: "Show a subscription",
  description: "Shows a subscription: how far it is on each topic, what waits, its settings.",
  examples: [["subscription show mailer", "everything about mailer"]],
  parameters: { positional: nameArgument },
  async run(this: EvsContext, _flags: unknown, name: string): Promise<void> {
    await this.printFacts(await (await this.client()).subscription(name), factsOf);
  },
});
