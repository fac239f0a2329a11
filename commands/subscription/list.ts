/** `evs subscription list`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";

export const route = verb<Record<never, never>, []>({
  brief: "List subscriptions",
  description: "Lists subscriptions and their positions: a table on a terminal, NDJSON elsewhere.",
  examples: [
    ["subscription list", "who consumes what, and the position"],
    ["subscription list | jq -r 'select(.paused).name'", "those that are paused"],
  ],
  parameters: {},
  async run(this: EvsContext): Promise<void> {
    const subscriptions = await (await this.client()).subscriptions();
    if (subscriptions.length === 0) return this.note("no subscriptions");
    await this.printRows(subscriptions, (info) => ({
      name: info.name,
      topic: info.topic,
      state: info.paused ? "paused" : "active",
      pending: info.pending,
      leased: info.leased,
      scheduled: info.scheduled,
      dead: info.dead,
      missed: info.missed.reduce((sum, gap) => sum + gap.count, 0),
    }));
  },
});
