/** `evs check refused`: are publishers refused? */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { refusalsOf, words } from "./measures.ts";
import { assertLimits, countLimits, levelOf, type Limits, runCheck } from "./report.ts";

export const route = verb<Limits, []>({
  brief: "Check how much publishers were refused",
  description:
    "Counts the events, and the publishes as a whole, that the daemon refused in the last five minutes, by error code, without conflicts with what a publisher expected. Prints one line and exits like a Nagios plug-in: 0 OK, 1 WARNING, 2 CRITICAL, also without a daemon, 3 UNKNOWN.",
  examples: [["check refused --warn 1 --crit 100", "for a monitoring system"]],
  parameters: { flags: countLimits },
  async run(this: EvsContext, { warn, crit }: Limits): Promise<void> {
    const limits = { warn, crit };
    assertLimits(limits, "high");
    await runCheck(this, async () => {
      const { refused } = await (await this.client()).status();
      const value = refusalsOf(refused);
      return {
        level: levelOf(value, limits, "high"),
        words: words.refused(refused),
        measures: { refused: { value, limits } },
      };
    });
  },
});
