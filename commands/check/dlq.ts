/** `evs check dlq`: are there too many dead letters? */
import type { EvsContext } from "../cli/context.ts";
import { textFlag, verb } from "../cli/define.ts";
import { words } from "./measures.ts";
import { assertLimits, countLimits, levelOf, type Limits, runCheck } from "./report.ts";

type DlqFlags = Limits & { subscription?: string };

export const route = verb<DlqFlags, []>({
  brief: "Check how many dead letters there are",
  description:
    "Prints one line and exits like a Nagios plug-in: 0 OK, 1 WARNING from --warn dead letters, 2 CRITICAL from --crit or without a daemon, 3 UNKNOWN.",
  examples: [
    ["check dlq --warn 1 --crit 100", "for a monitoring system"],
    ["check dlq --subscription mailer --warn 1 --crit 10", "only those of mailer"],
  ],
  parameters: {
    flags: {
      ...countLimits,
      subscription: textFlag("Only those of this subscription", "NAME"),
    },
  },
  async run(this: EvsContext, { warn, crit, subscription }: DlqFlags): Promise<void> {
    const limits = { warn, crit };
    assertLimits(limits, "high");
    await runCheck(this, async () => {
      const client = await this.client();
      const value = subscription === undefined
        ? (await client.status()).deadLetters
        : (await client.subscription(subscription)).dead;
      return {
        level: levelOf(value, limits, "high"),
        words: words.dlq(value, subscription),
        measures: { dead_letters: { value, limits } },
      };
    });
  },
});
