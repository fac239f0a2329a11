/** `evs dlq dismiss`. */
import type { EvsContext } from "../cli/context.ts";
import { positive, verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";
import { groupArgument, runGroupAct } from "./group_act.ts";

type DismissFlags = { more?: number };

export const route = verb<DismissFlags, [string]>({
  brief: "Say that a group of dead letters does not matter",
  description:
    "A dismissed group is not listed by evs dlq groups and does not count for evs check dlq and alerts. Its dead letters stay, and more may come: it stays dismissed, unless --more says from how many on it matters after all. To remove its dead letters: evs dlq remove --group GROUP.",
  examples: [
    ["dlq dismiss 0ggcxb", "until evs dlq reopen 0ggcxb"],
    ["dlq dismiss 0ggcxb --more 100", "until there were 100 more of them"],
  ],
  parameters: {
    flags: {
      more: {
        kind: "parsed",
        parse: positive,
        brief: "Open it again after this many more dead letters",
        placeholder: "N",
        optional: true,
      },
    },
    positional: groupArgument,
  },
  async run(this: EvsContext, { more }: DismissFlags, id: string): Promise<void> {
    await runGroupAct(
      this,
      (groups, by) => groups.dismiss(id, more === undefined ? by : { ...by, more }),
      ({ id, more }) =>
        `is dismissed${
          more === undefined ? "" : `, and opens after ${plural(more, "more dead letter")}`
        }; undo it with: evs dlq reopen ${id}`,
    );
  },
});
