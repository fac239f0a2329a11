/** Subscriptions that hold back the retention of a topic: paused, or for long. */
import type { SubscriptionInfo } from "../../protocol/protocol.ts";
import { HELD_LONG_MS, heldBackText } from "../../event/held_back.ts";
import type { Check, Finding } from "./check.ts";

export const heldBack: Check = {
  name: "held-back",
  async *look({ status, ask }): AsyncGenerator<Finding> {
    if (!status?.heldBack || !ask) return;
    const { subscriptions } = await ask("/v1/subscriptions") as {
      subscriptions: SubscriptionInfo[];
    };
    const paused = new Set(subscriptions.filter((one) => one.paused).map(({ name }) => name));
    for (const held of status.heldBack) {
      const isPaused = held.by.some((name) => paused.has(name));
      const about = { where: held.topic, details: { ...held } };
      const what = `retention is held back: ${heldBackText(held)}`;
      if (isPaused || held.forMs >= HELD_LONG_MS) {
        yield { ...about, level: "warning", what, hint: hintOf(held.by, paused) };
      } else {
        yield { ...about, level: "ok", what };
      }
    }
  },
};

/** What to type about the first that is in the way. */
function hintOf(by: readonly string[], paused: ReadonlySet<string>): string {
  const [first] = by.filter((name) => paused.has(name));
  if (first !== undefined) return `evs subscription resume ${first}`;
  return by.length === 0
    ? "start its consumer, or evs topic update TOPIC --keep limits"
    : `evs subscription show ${by[0]}; if nobody needs it: evs subscription remove ${by[0]}`;
}
