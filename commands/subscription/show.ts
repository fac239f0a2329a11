/** `evs subscription show`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { factsOf, nameArgument } from "./shared.ts";

export const route = verb<Record<never, never>, [string]>({
  brief: "Show a subscription",
  description:
    "Shows a subscription: its position in each topic, what its consumers are processing and since when, the next retry, and its settings.",
  examples: [["subscription show mailer", "everything about mailer"]],
  parameters: { positional: nameArgument },
  async run(this: EvsContext, _flags: unknown, name: string): Promise<void> {
    const info = await (await this.client()).subscription(name);
    await this.printFacts(info, (info) => factsOf(info, this.clock.now()));
  },
});
