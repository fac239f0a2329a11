/** `evs dlq groups`: dead letters by cause. */
import { GROUP_LISTS } from "../../core/event/dead_letter_group.ts";
import type { DeadLetterGroupList } from "../../core/protocol/dead_letter_groups.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { age } from "../terminal/age.ts";
import { sparkline } from "../terminal/sparkline.ts";
import { groupsOf } from "./group_act.ts";
import {
  type FilterFlags,
  filterFlags,
  listQuery,
  noteRemoved,
  sayNoneFound,
  selection,
} from "./selection.ts";

type GroupsFlags = FilterFlags & { state?: DeadLetterGroupList };

export const route = verb<GroupsFlags, []>({
  brief: "Show the causes of dead letters, most frequent first",
  description:
    "Counts dead letters by cause. Ids, long numbers, times, addresses and the variable parts of paths are replaced by *; words and short codes (KeyError: 'currency', HTTP 503) are kept. Causes that differ in more than 20 words are counted as one. Each has an id, which --group takes, and an example; the trend has a bar for each of the last 24 hours. Groups that were dismissed or resolved are shown with --state.",
  examples: [
    ["dlq groups", "what went wrong, the most frequent cause first"],
    ["dlq groups --since 1h --subscription mailer", "mailer's last hour"],
    [
      "dlq groups --state all",
      "those that were dismissed or resolved, too, and those that are over",
    ],
    [
      "dlq retry --reason 'connect to * timed out' --dry-run",
      "how many with one cause would be redelivered",
    ],
  ],
  parameters: {
    flags: {
      ...filterFlags,
      state: {
        kind: "enum",
        values: GROUP_LISTS,
        brief: "Which groups: by default those that are open",
        optional: true,
      },
    },
  },
  run: groupDeadLetters,
});

async function groupDeadLetters(
  this: EvsContext,
  { state, ...filters }: GroupsFlags,
): Promise<void> {
  const now = this.clock.now();
  const client = await this.client();
  const chosen = selection(filters, { ids: [], now });
  const query = { ...listQuery(chosen), ...(state === undefined ? {} : { state }) };
  const found = await (await groupsOf(this)).list(query);
  await this.printRows(found, (group) => ({
    count: group.count,
    group: group.id,
    ...(state === undefined || state === "open" ? {} : { state: group.state }),
    first: age(now - group.firstAt),
    last: age(now - group.lastAt),
    trend: sparkline(group.hours),
    subscriptions: group.subscriptions.join(", "),
    reason: group.reason,
    example: group.example === undefined ? "" : `${group.example.subscription}:${group.example.id}`,
  }), { below: "reason", drop: ["example", "first", "trend"] });
  await noteRemoved(this, { client, chosen });
  if (found.length > 0) {
    if (this.forPeople) this.note(`see one, and what to type next: evs dlq group ${found[0]!.id}`);
    return;
  }
  if (state === undefined) await sayNoneFound(this, { client, chosen });
  else this.note(`no such groups; all of them: evs dlq groups --state all`);
}
