/** `evs topic show`. */
import { verb } from "../cli/define.ts";
import { topicArgument, topicFacts } from "./options.ts";

export const route = verb<NonNullable<unknown>, [topic: string]>({
  brief: "Show a topic",
  examples: [
    ["topic show orders", "Its options and contents."],
    ["topic show orders | jq .lastSeq", "The last seq."],
  ],
  parameters: { positional: topicArgument },
  async run(_flags, name) {
    const client = await this.client();
    await this.printFacts(await client.topic(name), topicFacts);
  },
});
