/** `evs dlq list`: what failed and why, newest first. */
import type { DeadLetterInfo } from "../../core/protocol/protocol.ts";
import type { EvsContext } from "../cli/context.ts";
import { positive, verb } from "../cli/define.ts";
import { age } from "../terminal/age.ts";
import { deadLetterPages } from "./pages.ts";
import {
  type FilterFlags,
  filterFlags,
  noteRemoved,
  sayNoneFound,
  selection,
} from "./selection.ts";

type ListFlags = FilterFlags & { limit?: number };

export const route = verb<ListFlags, []>({
  brief: "List dead letters, newest first",
  description:
    "Lists the events that a subscription gave up on, newest first: a table on a terminal, NDJSON elsewhere.",
  examples: [
    ["dlq list", "all of them"],
    ["dlq list --subscription mailer --since 1h", "what mailer gave up on in the last hour"],
    ["dlq list --json | jq -r .id", "their ids"],
  ],
  parameters: {
    flags: {
      ...filterFlags,
      limit: {
        kind: "parsed",
        parse: positive,
        brief: "At most this many",
        placeholder: "N",
        optional: true,
      },
    },
  },
  run: listDeadLetters,
});

const PAGE = 1000;
/** Without --limit a terminal shows this many, and says how many more there are. */
const TERMINAL_LIMIT = 200;

async function listDeadLetters(this: EvsContext, flags: ListFlags): Promise<void> {
  const client = await this.client();
  const now = this.clock.now();
  const chosen = selection(flags, { ids: [], now });
  const limit = flags.limit ?? (this.forPeople ? TERMINAL_LIMIT : Infinity);
  let shown = 0;
  let more = false;
  const rows: DeadLetterInfo[] = [];
  // Fetch one more than is shown, to know whether there are more.
  const pageSize = Math.min(PAGE, limit + 1);
  for await (const page of deadLetterPages(client, { chosen, pageSize })) {
    const part = page.slice(0, limit - shown);
    more = part.length < page.length;
    shown += part.length;
    if (this.forPeople) rows.push(...part);
    else await this.printLines(part.map((row) => `${JSON.stringify(row)}\n`).join(""));
    if (more) break;
  }
  if (this.forPeople && rows.length > 0) {
    await this.printRows(rows, (row) => ({
      age: age(now - row.diedAt),
      subscription: row.subscription,
      topic: row.topic,
      type: row.type,
      attempts: row.attempts,
      id: row.id,
      reason: row.reason,
    }), { below: "reason", drop: ["type", "topic"] });
  }
  await noteRemoved(this, { client, chosen });
  if (this.forPeople && shown > 0) {
    this.note("see why one failed: evs dlq show ID; all by cause: evs dlq groups");
  }
  if (shown === 0) await sayNoneFound(this, { client, chosen });
  else if (more && flags.limit === undefined) this.note(`the newest ${shown}; more with --limit N`);
}
