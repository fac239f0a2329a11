/** `evs dlq remove`: permanently removes selected dead letters. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { removalFlags, removeChosen } from "./removal.ts";
import {
  assertSelected,
  type FilterFlags,
  filterFlags,
  idArguments,
  selection,
} from "./selection.ts";

type RemoveFlags = FilterFlags & { all: boolean; dryRun: boolean; detach: boolean; yes: boolean };

export const route = verb<RemoveFlags, string[]>({
  brief: "Remove dead letters by id or filter",
  description:
    "Permanently removes dead letters; the events themselves stay in their topics. Asks for confirmation; in a script, --yes is required.",
  examples: [
    ["dlq remove o-17", "this event"],
    ["dlq remove --subscription mailer --yes", "all of one subscription, without a confirmation"],
  ],
  parameters: {
    flags: {
      ...filterFlags,
      all: { kind: "boolean", brief: "Every dead letter", default: false },
      ...removalFlags,
    },
    positional: idArguments,
  },
  run: removeDeadLetters,
});

async function removeDeadLetters(
  this: EvsContext,
  flags: RemoveFlags,
  ...ids: string[]
): Promise<void> {
  const chosen = selection(flags, { ids, now: this.clock.now() });
  assertSelected(chosen, "remove");
  const { dryRun, yes, detach } = flags;
  await removeChosen(this, { chosen, dryRun, yes, detach });
}
