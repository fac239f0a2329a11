/** `evs topic remove`. */
import { verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";
import { topicArgument } from "./options.ts";

export const route = verb<{ yes?: boolean }, [topic: string]>({
  brief: "Remove a topic and its events",
  description:
    "Removes a topic with all its events, and those that are scheduled for it. Dead letters and scheduled retries keep copies of their events. The last seq is " +
    "remembered: if the topic is created again, it continues from there. Asks for confirmation; in a script, --yes is required.",
  examples: [
    ["topic remove orders.test", "Says how many events there are, and asks."],
    ["topic remove orders.test --yes", "In a script."],
  ],
  parameters: {
    flags: { yes: { kind: "boolean", brief: "Do not ask for confirmation", optional: true } },
    aliases: { y: "yes" },
    positional: topicArgument,
  },
  async run(flags, name) {
    const client = await this.client();
    const { events, lastSeq } = await client.topic(name);
    const question = `Remove topic ${name} with ${plural(events, "event")}?`;
    const { yes } = flags;
    if (!await this.confirm(question, { yes, declined: "nothing was removed" })) return;
    await client.removeTopic(name);
    if (this.forPeople) this.print(`Removed topic ${name} with ${plural(events, "event")}.`);
    else this.printJson({ topic: name, removed: true, events, lastSeq });
  },
});
