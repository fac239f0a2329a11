/** `evs subscription show`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { factsOf, nameArgument } from "./shared.ts";

export const route = verb<Record<never, never>, [string]>({
  brief: "Show a subscription",
  description:
    "Shows a subscription: how far it is on each topic, what its consumers have in hand and since when, which retry comes next, its settings.",
  examples: [["subscription show mailer", "everything about mailer"]],
  parameters: { positional: nameArgument },
  async run(this: EvsContext, _flags: unknown, name: string): Promise<void> {
    const info = await (await this.client()).subscription(name);
    await this.printFacts(info, (info) => factsOf(info, this.clock.now()));
  },
});
