/** Removes dead letters permanently: counts, asks, removes. */
import type { DeadLetterAction } from "../../core/protocol/protocol.ts";
import type { EvsContext } from "../cli/context.ts";
import { detachFlag, runJob } from "./job.ts";
import { assertFound, countReply } from "./outcome.ts";

/** Removes the selected dead letters, after a confirmation. */
export async function removeChosen(
  context: EvsContext,
  options: { chosen: DeadLetterAction; dryRun: boolean; yes: boolean; detach: boolean },
): Promise<void> {
  const { chosen, dryRun, yes, detach } = options;
  const client = await context.client();
  let reply = await client.removeDeadLetters({ ...chosen, dryRun: true });
  assertFound(reply, chosen.ids ?? []);
  if (!dryRun && reply.count > 0) {
    const question = `Remove ${countReply(reply)} for good?`;
    if (!await context.confirm(question, { yes, declined: "nothing was removed" })) return;
    if (chosen.ids === undefined || detach) {
      return await runJob(context, { action: "remove", ...chosen }, { detach });
    }
    reply = await client.removeDeadLetters(chosen);
  }
  // If nothing matched, there was nothing to do: the count alone was not a dry run.
  reply = { ...reply, dryRun };
  if (!context.forPeople) context.printJson(reply);
  else if (reply.count === 0) context.print("No dead letters match: nothing to remove.");
  else if (dryRun) context.print(`Would remove: ${countReply(reply)}.`);
  else context.print(`Removed: ${countReply(reply)}.`);
}

/** Flags of all commands that remove dead letters. */
export const removalFlags = {
  dryRun: { kind: "boolean", brief: "Only print what would be removed", default: false },
  detach: detachFlag,
  yes: { kind: "boolean", brief: "Do not ask for confirmation", default: false },
} as const;
