/** What the commands on one group of dead letters share. */
import { RemoteDeadLetterGroups } from "../../core/client/dead_letter_groups.ts";
import { MOST_OF_BY } from "../../core/event/redaction.ts";
import type {
  DeadLetterGroupBy,
  DeadLetterGroupDetail,
  DeadLetterGroups,
} from "../../core/protocol/dead_letter_groups.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText } from "../cli/define.ts";

const group = {
  parse: plainText,
  brief: "The group, as evs dlq groups shows it",
  placeholder: "GROUP",
};

/** A group as the argument. */
export const groupArgument = { kind: "tuple", parameters: [group] } as const;

/** A group and a text as arguments. */
export const noteArguments = {
  kind: "tuple",
  parameters: [group, { parse: plainText, brief: "What to note", placeholder: "TEXT" }],
} as const;

/** The daemon's groups. */
export async function groupsOf(context: EvsContext): Promise<DeadLetterGroups> {
  return new RemoteDeadLetterGroups(await context.client());
}

/** Runs an act in the name of the user, and says what became of the group. */
export async function runGroupAct(
  context: EvsContext,
  act: (groups: DeadLetterGroups, by: DeadLetterGroupBy) => Promise<DeadLetterGroupDetail>,
  words: (group: DeadLetterGroupDetail) => string,
): Promise<void> {
  const user = (context.env("USER") ?? context.env("LOGNAME"))?.slice(0, MOST_OF_BY);
  const group = await act(await groupsOf(context), user ? { by: user } : {});
  if (context.forPeople) context.say(`${group.id} ${words(group)}`);
  else context.printJson(group);
}
