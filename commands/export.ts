/** `evs export`: prints every event of some or all topics as lines for `evs import`. */
import { openFeed } from "../core/client/feed.ts";
import { compilePattern } from "../core/event/topic_options.ts";
import { missedText } from "../core/reading/missed.ts";
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";
import { passing } from "./reading/overlap.ts";

export const route = verb<Record<never, never>, string[]>({
  brief: "Print all events, for evs import",
  description:
    "Prints every event as it is stored, one per line, topic by topic; without a TOPIC, all topics. It does not wait for new events. Events only: evs backup also includes subscriptions, retries, dead letters and schemas.",
  examples: [
    ["export > events.ndjson", "All topics."],
    ["export 'orders.*' | gzip > orders.ndjson.gz", "Topics that match a pattern."],
    ["export | ssh other evs import", "To another machine."],
  ],
  parameters: {
    positional: {
      kind: "array",
      parameter: {
        parse: plainText,
        brief: "A topic, or a pattern; none: all",
        placeholder: "TOPIC",
      },
    },
  },
  async run(this: EvsContext, _flags, ...patterns): Promise<void> {
    const client = await this.client();
    const names = (await client.topics()).map(({ name }) => name);
    const chosen = new Set<string>();
    for (const pattern of patterns.length === 0 ? ["**"] : patterns) {
      const matches = compilePattern(pattern);
      const found = names.filter((name) => matches(name));
      // An unknown name is a mistake, which the daemon reports; a pattern may match nothing.
      if (found.length === 0 && !pattern.includes("*")) await client.topic(pattern);
      for (const name of found) chosen.add(name);
    }
    for (const topic of names.filter((name) => chosen.has(name))) {
      const feed = openFeed(client, {
        query: { topic: [topic] },
        clock: this.clock,
        say: (words) => this.say(words),
        onMissed: (missed) => this.say(`evs: ${missedText(missed)}`),
      });
      await passing(this.stdout)(feed.blocks, (block) => this.printLines(block));
    }
  },
});
