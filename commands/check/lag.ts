/** `evs check lag`: is a subscription falling behind? */
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { EvsContext } from "../cli/context.ts";
import { textFlag, verb } from "../cli/define.ts";
import { lagOf, words as said } from "./measures.ts";
import {
  assertLimits,
  type CheckFinding,
  type CheckLevel,
  countLimits,
  levelOf,
  type Limits,
  runCheck,
} from "./report.ts";

type LagFlags = Limits & { subscription?: string };

export const route = verb<LagFlags, []>({
  brief: "Check how far behind subscriptions are",
  description:
    "Counts the events that a subscription has not settled yet, including scheduled retries; the worst subscription determines the result. A paused one is at least a WARNING. Prints one line and exits like a Nagios plug-in: 0 OK, 1 WARNING, 2 CRITICAL, also without a daemon, 3 UNKNOWN.",
  examples: [
    ["check lag --warn 1000 --crit 100000", "every subscription"],
    ["check lag --subscription mailer --warn 10 --crit 100", "only mailer"],
  ],
  parameters: {
    flags: {
      ...countLimits,
      subscription: textFlag("Only this subscription", "NAME"),
    },
  },
  async run(this: EvsContext, { warn, crit, subscription }: LagFlags): Promise<void> {
    const limits = { warn, crit };
    assertLimits(limits, "high");
    await runCheck(this, async () => {
      const client = await this.client();
      const infos = subscription === undefined
        ? await client.subscriptions()
        : [await client.subscription(subscription)];
      return lagFinding(infos, limits);
    });
  },
});

/** Combines subscriptions into one finding. Pure. */
export function lagFinding(
  infos: readonly Pick<SubscriptionInfo, "name" | "pending" | "leased" | "scheduled" | "paused">[],
  limits: Limits,
): CheckFinding {
  const behind = infos.map((info) => ({ ...info, value: lagOf(info) }))
    .sort((a, b) => b.value - a.value);
  const worst = behind[0];
  const paused = infos.filter((info) => info.paused).map(({ name }) => name);
  const level = levelOf(worst?.value ?? 0, limits, "high");
  const raised: CheckLevel = level === "OK" && paused.length > 0 ? "WARNING" : level;
  const words = worst === undefined ? "no subscriptions" : said.lag(worst.value, worst.name);
  return {
    level: raised,
    words: paused.length === 0 ? words : `${words}; paused: ${paused.join(", ")}`,
    measures: Object.fromEntries(behind.map(({ name, value }) => [name, { value, limits }])),
  };
}
