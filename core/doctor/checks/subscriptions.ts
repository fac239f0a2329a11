/**
 * Stalled subscriptions: paused ones, and ones with a backlog but no consumer. A running daemon is
 * asked. For a stopped one the state database tells, and no consumer can be active.
 */
import type { SubscriptionInfo } from "../../protocol/protocol.ts";
import { compilePattern } from "../../event/topic_options.ts";
import type { Check, CheckContext, CheckResults, Finding } from "./check.ts";
import { counted } from "./counted.ts";

/** The fields of a subscription that are checked. */
type Standing =
  & Pick<SubscriptionInfo, "name" | "topic" | "paused" | "pauseReason" | "pending">
  & { atWork: number; dead?: number };

export const subscriptions: Check = {
  name: "subscriptions",
  async *look(context, record): AsyncGenerator<Finding> {
    for (const one of await standings(context, record)) {
      const behind = `${counted(one.pending, "event")} wait${one.pending === 1 ? "s" : ""} for it`;
      const about = { level: "warning" as const, where: one.name, details: { ...one } };
      if (one.paused) {
        const why = one.pauseReason === undefined ? "" : ` (${one.pauseReason})`;
        const what = `it is paused${why}; ${behind}, none is lost`;
        yield { ...about, what, hint: `evs subscription resume ${one.name}` };
      } else if (one.pending > 0 && one.atWork === 0) {
        yield {
          ...about,
          what: `it makes no progress: ${behind}, and nobody consumes them; none is lost`,
          hint: context.status
            ? `evs consume '${one.topic}' --name ${one.name} -- COMMAND`
            : "evs daemon start, then start its consumer",
        };
      }
    }
  },
};

async function standings(
  { ask }: CheckContext,
  { state, ends }: CheckResults,
): Promise<Standing[]> {
  if (ask) {
    const { subscriptions } = await ask("/v1/subscriptions") as {
      subscriptions: SubscriptionInfo[];
    };
    return subscriptions.map((
      { name, topic, paused, pauseReason, pending, leased, scheduled, dead },
    ) => ({
      name,
      topic,
      paused,
      pauseReason,
      pending,
      atWork: leased + scheduled,
      dead,
    }));
  }
  return (state?.subscriptions ?? []).map(({ name, topic, paused, pauseReason }) => {
    const matches = compilePattern(topic);
    let pending = 0;
    for (const [at, lastSeq] of ends) {
      const next = state?.cursors.find((one) => one.subscription === name && one.topic === at)
        ?.next;
      // Without a cursor it has not started on this topic; its settings decide where it will.
      if (next !== undefined && matches(at)) pending += Math.max(0, lastSeq + 1 - next);
    }
    const done = state?.done.filter((one) => one.subscription === name).length ?? 0;
    const scheduled = state?.retries.filter((one) => one.subscription === name).length ?? 0;
    return {
      name,
      topic,
      paused,
      pauseReason,
      pending: Math.max(0, pending - done),
      atWork: scheduled,
    };
  });
}
