/** `evs scheduled cancel`: gives up events that are not published yet. */
import type { EvsContext } from "../cli/context.ts";
import { plainText, textFlag, verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";

type CancelFlags = { topic?: string };

export const route = verb<CancelFlags, string[]>({
  brief: "Cancel events that are not published yet",
  description:
    "Cancels scheduled events by their ids. Those events are not published and no longer known: the same id can be published again. If one of them does not wait, because it was published or cancelled, none is cancelled.",
  examples: [
    ["scheduled cancel remind-c1", "one event"],
    ["scheduled cancel remind-c1 --topic carts", "if several topics have one with this id"],
  ],
  parameters: {
    flags: { topic: textFlag("Only those of this topic", "TOPIC") },
    positional: {
      kind: "array",
      parameter: { parse: plainText, brief: "An event's id", placeholder: "ID" },
      minimum: 1,
    },
  },
  async run(this: EvsContext, { topic }: CancelFlags, ...ids: string[]): Promise<void> {
    const client = await this.client();
    const reply = await client.cancelScheduled({ ids, topic });
    if (!this.forPeople) return this.printJson(reply);
    this.say(`${plural(reply.count, "event")} cancelled`);
  },
});
