/** `evs topic create`. */
import { verb } from "../cli/define.ts";
import { topicArgument, topicFacts, type TopicFlags, topicFlags, topicRequest } from "./options.ts";

type CreateFlags = TopicFlags & { ephemeral?: boolean; store?: "sqlite" | "file" | "memory" };

export const route = verb<CreateFlags, [topic: string]>({
  brief: "Create a topic with options",
  description:
    "Creates a topic. If it already exists with the same options, nothing changes; with other options, exit code 3.",
  examples: [
    [
      "topic create orders --retention 30d --schema require",
      "A month of orders, all with a schema.",
    ],
    [
      "topic create clicks --store file --durability interval:200ms",
      "High volume: files for jq, synced five times a second.",
    ],
    [
      "topic create jobs --retention 7d --keep unconsumed --drop consumed",
      "A queue: deleted once all subscriptions have finished it, and not before.",
    ],
    ["topic create ticks --ephemeral", "Stores nothing; reaches only current subscriptions."],
  ],
  parameters: {
    flags: {
      ...topicFlags,
      store: {
        kind: "enum",
        values: ["sqlite", "file", "memory"],
        brief: "Where its events are stored, permanently; default as for the daemon",
        optional: true,
      },
      ephemeral: {
        kind: "boolean",
        brief: "Store nothing: reach only current subscriptions",
        optional: true,
      },
    },
    positional: topicArgument,
  },
  async run(flags, name) {
    const client = await this.client();
    const topic = await client.createTopic(name, {
      ...topicRequest(flags),
      store: flags.store,
      persistent: flags.ephemeral === undefined ? undefined : !flags.ephemeral,
    });
    await this.printFacts(topic, topicFacts);
  },
});
