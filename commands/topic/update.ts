/** `evs topic update`. */
import { verb } from "../cli/define.ts";
import {
  requireChange,
  topicArgument,
  topicFacts,
  type TopicFlags,
  topicFlags,
  topicRequest,
} from "./options.ts";

export const route = verb<TopicFlags, [topic: string]>({
  brief: "Change a topic's options",
  examples: [
    ["topic update orders --max-events 100000", "Keep the last hundred thousand."],
    [
      "topic update orders --keep unconsumed",
      "Let the limits wait for what a subscription has not finished.",
    ],
    [
      "topic update orders --dead-retention 90d --dead-max 10000",
      "Forget dead letters after 90 days, and beyond 10,000 per subscription.",
    ],
    ["topic update orders --retention 0", "Keep them forever."],
  ],
  parameters: { flags: topicFlags, positional: topicArgument },
  async run(flags, name) {
    const request = requireChange(topicRequest(flags));
    const client = await this.client();
    await this.printFacts(await client.updateTopic(name, request), topicFacts);
  },
});
