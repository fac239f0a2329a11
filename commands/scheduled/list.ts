/** `evs scheduled list`: the events that are published later. */
import type { Client } from "../../core/client/client.ts";
import type { ScheduledInfo, ScheduledReply } from "../../core/protocol/scheduled.ts";
import type { EvsContext } from "../cli/context.ts";
import { textFlag, verb } from "../cli/define.ts";
import { dueWords } from "../subscription/in_flight.ts";

type ListFlags = { topic?: string };

/** A terminal shows this many, and says how many more there are. */
const TERMINAL_LIMIT = 200;

export const route = verb<ListFlags>({
  brief: "List the events that are published later",
  description: "Lists the events that wait, soonest first: when each is due, and its id.",
  examples: [
    ["scheduled list", "all of them"],
    ["scheduled list --topic carts", "those of one topic"],
    ["scheduled list | jq -r .id", "their ids"],
  ],
  parameters: {
    flags: { topic: textFlag("Only those of this topic", "TOPIC") },
    positional: { kind: "tuple", parameters: [] },
  },
  async run(this: EvsContext, { topic }: ListFlags): Promise<void> {
    const rows: ScheduledInfo[] = [];
    let total = 0;
    for await (const page of pages(await this.client(), topic)) {
      total = page.total;
      if (this.forPeople) rows.push(...page.scheduled);
      else {
        await this.printLines(page.scheduled.map((row) => `${JSON.stringify(row)}\n`).join(""));
      }
      if (rows.length >= TERMINAL_LIMIT) break;
    }
    if (total === 0) return this.note("no events are scheduled");
    if (!this.forPeople) return;
    const at = this.clock.now();
    await this.printRows(rows.slice(0, TERMINAL_LIMIT), (row) => ({
      due: dueWords(row, at),
      topic: row.topic,
      type: row.type,
      id: row.id,
      key: row.key ?? "",
    }), { drop: ["key"] });
    if (total > TERMINAL_LIMIT) {
      this.note(`the first ${TERMINAL_LIMIT} of ${total}; all with --json`);
    }
  },
});

async function* pages(client: Client, topic: string | undefined): AsyncGenerator<ScheduledReply> {
  let page = await client.scheduled({ topic });
  yield page;
  while (page.next !== undefined) {
    page = await client.scheduled({ topic, after: page.next });
    yield page;
  }
}
