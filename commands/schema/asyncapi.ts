/** `evs schema asyncapi`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";

export const route = verb<Record<never, never>, []>({
  brief: "Print an AsyncAPI document",
  description:
    "Prints an AsyncAPI 3 document in JSON: a channel for each topic, with the types of its newest 200 events, " +
    "and a message for each version of each schema.",
  examples: [["schema asyncapi >asyncapi.json", "For generators of code and documentation."]],
  parameters: {},
  async run(this: EvsContext): Promise<void> {
    await this.stdout.write(await (await this.client()).asyncapi());
  },
});
