/** `evs topic show`. */
import { load } from "../cli/lazy.ts";
import { verb } from "../cli/define.ts";
import { topicArgument, topicFacts } from "./options.ts";

export const route = verb<NonNullable<unknown>, [topic: string]>({
  brief: "Show a topic, its types and its keys",
  description:
    "Shows the options of a topic, how many events per second were published over the last 1, 5 and 15 minutes, and which types and keys its events have, with the number of events of each. " +
    "Of a large topic only the newest events are counted, at most 10,000; counted.complete says whether these are all.",
  examples: [
    ["topic show orders", "Its options and contents."],
    ["topic show orders | jq .lastSeq", "The last seq."],
    ["topic show orders | jq '.types.most'", "Its types, those with the most events first."],
  ],
  parameters: { positional: topicArgument },
  async run(_flags, name) {
    const client = await this.client();
    const topic = await client.topic(name);
    const { contentsFacts, rateFacts, topicContents } = await load<typeof import("./contents.ts")>(
      "./topic/contents.ts",
    );
    const contents = await topicContents(client, {
      topic,
      clock: this.clock,
      say: (text) => this.say(text),
    });
    await this.printFacts({ ...topic, ...contents }, (all) => ({
      ...topicFacts(all),
      ...rateFacts(all, this.clock.now()),
      ...contentsFacts(all),
    }));
  },
});
