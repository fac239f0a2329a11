/** `evs dlq groups`: groups dead letters by cause. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { age } from "../terminal/age.ts";
import {
  type FilterFlags,
  filterFlags,
  listQuery,
  noteRemoved,
  sayNoneFound,
  selection,
} from "./selection.ts";

export const route = verb<FilterFlags, []>({
  brief: "Count dead letters by cause",
  description:
    "Groups dead letters whose reasons differ only in what varies from event to event: ids, long numbers, times, addresses, parts of paths. Words and short codes (HTTP 503, KeyError: 'currency') keep causes apart, unless there are too many different ones. Prints each cause with its count, when it was first and last seen, its subscriptions and its latest example. --reason accepts a cause as it is printed.",
  examples: [
    ["dlq groups", "what went wrong, the most frequent cause first"],
    ["dlq groups --since 1h --subscription mailer", "mailer's last hour"],
    [
      "dlq retry --reason 'connect to * timed out' --dry-run",
      "how many with one cause would be redelivered",
    ],
  ],
  parameters: { flags: { ...filterFlags } },
  run: groupDeadLetters,
});

async function groupDeadLetters(this: EvsContext, flags: FilterFlags): Promise<void> {
  const now = this.clock.now();
  const client = await this.client();
  const chosen = selection(flags, { ids: [], now });
  const found = await client.deadLetterGroups(listQuery(chosen));
  await this.printRows(found, (group) => ({
    count: group.count,
    reason: group.reason,
    first: age(now - group.firstAt),
    last: age(now - group.lastAt),
    subscriptions: group.subscriptions.join(", "),
    example: `${group.example.subscription}:${group.example.id}`,
  }), { below: "reason", drop: ["first", "example"] });
  await noteRemoved(this, { client, chosen });
  if (found.length === 0) await sayNoneFound(this, { client, chosen });
}
