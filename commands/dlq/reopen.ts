/** `evs dlq reopen`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { groupArgument, runGroupAct } from "./group_act.ts";

export const route = verb<NonNullable<unknown>, [string]>({
  brief: "Open a dismissed or resolved group of dead letters",
  description:
    "The group is listed and counts again, as one that nobody dismissed or resolved. Its notes stay.",
  examples: [["dlq reopen 0ggcxb", "after evs dlq dismiss or resolve"]],
  parameters: { positional: groupArgument },
  async run(this: EvsContext, _flags, id: string): Promise<void> {
    await runGroupAct(this, (groups, by) => groups.reopen(id, by), () => "is open");
  },
});
