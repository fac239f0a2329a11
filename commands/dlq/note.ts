/** `evs dlq note`. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";
import { noteArguments, runGroupAct } from "./group_act.ts";

export const route = verb<NonNullable<unknown>, [string, string]>({
  brief: "Note something about a group of dead letters",
  description:
    "Adds a note to what is known of a group: what was found out, whom to ask, which ticket. evs dlq group shows the notes, each with the time and the name of the user. The newest 20 are kept, of up to 1,000 characters each.",
  examples: [
    ['dlq note 0ggcxb "the bank is down until noon, see OPS-17"', "for whoever looks next"],
  ],
  parameters: { positional: noteArguments },
  async run(this: EvsContext, _flags, id: string, text: string): Promise<void> {
    await runGroupAct(
      this,
      (groups, by) => groups.note(id, text, by),
      ({ notes }) => `has ${plural(notes.length, "note")}`,
    );
  },
});
