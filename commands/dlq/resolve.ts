/** `evs dlq resolve`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";
import { groupArgument, runGroupAct } from "./group_act.ts";

export const route = verb<NonNullable<unknown>, [string]>({
  brief: "Say that the cause of a group of dead letters is gone",
  description:
    "A resolved group is not listed by evs dlq groups and does not count for evs check dlq and alerts. It opens again by itself when the next event dies of the same cause. Its dead letters stay until they are retried or removed.",
  examples: [
    ["dlq resolve 0ggcxb", "the handler is repaired"],
    ["dlq retry --group 0ggcxb", "and what it could not handle is delivered again"],
  ],
  parameters: { positional: groupArgument },
  async run(this: EvsContext, _flags, id: string): Promise<void> {
    await runGroupAct(
      this,
      (groups, by) => groups.resolve(id, by),
      ({ id, count }) =>
        `is resolved, and opens again if it comes back${
          count === 0
            ? ""
            : `; ${plural(count, "dead letter")} can be retried: evs dlq retry --group ${id}`
        }`,
    );
  },
});
