/** `evs topic create`. */
import { verb } from "../define.ts";
import { topicArgument, topicFacts, type TopicFlags, topicFlags, topicRequest } from "./options.ts";

export const create = verb<TopicFlags & { ephemeral?: boolean }, [topic: string]>({
  brief: "Create a topic with options",
  description:
    "Creates a topic. One that is there with the same options is left as it is; with others, exit code 3.",
  examples: [
    [
      "topic create orders --retention 30d --schema require",
      "A month of orders, each with a schema.",
    ],
    ["topic create ticks --ephemeral", "Stores nothing; reaches the subscriptions that are there."],
  ],
  parameters: {
    flags: {
      ...topicFlags,
      ephemeral: {
        kind: "boolean",
        brief: "Store nothing: reach only the subscriptions that are there",
        optional: true,
      },
    },
    positional: topicArgument,
  },
  async run(flags, name) {
    const client = await this.client();
    const topic = await client.createTopic(name, {
      ...topicRequest(flags),
      ...(flags.ephemeral === undefined ? {} : { persistent: !flags.ephemeral }),
    });
    await this.printFacts(topic, topicFacts);
  },
});
