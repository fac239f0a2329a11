/** `evs dlq purge`: empties the queue, or removes what the filters match. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { removalFlags, removeChosen } from "./removal.ts";
import { type FilterFlags, filterFlags, selection } from "./selection.ts";

type PurgeFlags = FilterFlags & { dryRun: boolean; detach: boolean; yes: boolean };

export const route = verb<PurgeFlags, []>({
  brief: "Remove all dead letters, or all that match",
  description:
    "Permanently removes every dead letter, or every one that matches the filters; the events themselves stay in their topics. Asks for confirmation; in a script, --yes is required.",
  examples: [
    ["dlq purge", "empty the queue, after a confirmation"],
    ["dlq purge --topic users --yes", "those of one topic, without a confirmation"],
  ],
  parameters: { flags: { ...filterFlags, ...removalFlags } },
  run: purgeDeadLetters,
});

async function purgeDeadLetters(this: EvsContext, flags: PurgeFlags): Promise<void> {
  const filters = selection(flags, { ids: [], now: this.clock.now() });
  const chosen = Object.keys(filters).length === 0 ? { all: true } : filters;
  const { dryRun, yes, detach } = flags;
  await removeChosen(this, { chosen, dryRun, yes, detach });
}
