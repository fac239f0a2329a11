/** `evs check dlq`: are there too many dead letters? */
import type { Client } from "../../core/client/client.ts";
import type { EvsContext } from "../cli/context.ts";
import { textFlag, verb } from "../cli/define.ts";
import { words } from "./measures.ts";
import { assertLimits, countLimits, levelOf, type Limits, runCheck } from "./report.ts";

type DlqFlags = Limits & { subscription?: string; all: boolean };

export const route = verb<DlqFlags, []>({
  brief: "Check how many dead letters there are",
  description:
    "Prints one line and exits like a Nagios plug-in: 0 OK, 1 WARNING from --warn dead letters, 2 CRITICAL from --crit or without a daemon, 3 UNKNOWN. Counts the dead letters of open groups; those that somebody dismissed or resolved (evs dlq groups) count with --all.",
  examples: [
    ["check dlq --warn 1 --crit 100", "for a monitoring system"],
    ["check dlq --subscription mailer --warn 1 --crit 10", "only those of mailer"],
    ["check dlq --warn 1000 --crit 5000 --all", "however much of it is known"],
  ],
  parameters: {
    flags: {
      ...countLimits,
      subscription: textFlag("Only those of this subscription", "NAME"),
      all: { kind: "boolean", brief: "Count those that do not matter, too", default: false },
    },
  },
  async run(this: EvsContext, { warn, crit, subscription, all }: DlqFlags): Promise<void> {
    const limits = { warn, crit };
    assertLimits(limits, "high");
    await runCheck(this, async () => {
      const { dead, open } = await countsOf(await this.client(), subscription);
      const value = all ? dead : open;
      const others = value === dead ? "" : `, ${dead - value} more dismissed or resolved`;
      return {
        level: levelOf(value, limits, "high"),
        words: words.dlq(value, subscription) + others,
        measures: { dead_letters: { value, limits } },
      };
    });
  },
});

/** How many there are, and how many of them are in open groups. */
async function countsOf(
  client: Client,
  subscription: string | undefined,
): Promise<{ dead: number; open: number }> {
  if (subscription === undefined) {
    const { deadLetters, deadLettersOpen = deadLetters } = await client.status();
    return { dead: deadLetters, open: deadLettersOpen };
  }
  const { dead } = await client.subscription(subscription);
  if (dead === 0) return { dead, open: 0 };
  const groups = await client.deadLetterGroups({ subscription });
  const open = groups.reduce((sum, { count }) => sum + count, 0);
  // The two questions were asked one after the other.
  return { dead: Math.max(dead, open), open };
}
