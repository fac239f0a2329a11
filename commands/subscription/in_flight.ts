/** Formats what a subscription has in flight. */
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { InFlightInfo, RetryInfo } from "../../core/protocol/in_flight.ts";
import { age } from "../terminal/age.ts";
import { formatTime, plural } from "../terminal/table.ts";

/** The facts about it in `subscription show`; none if nothing is in flight. */
export function inFlightFacts(
  { inFlight = [], leased, retries: [next] = [], scheduled }: SubscriptionInfo,
  now: number,
): Record<string, unknown> {
  const lines = inFlight.map((one) => describeInFlight(one, now));
  if (lines.length > 0 && leased > lines.length) {
    lines.push(`and ${plural(leased - lines.length, "newer one")}`);
  }
  return {
    "in flight": lines.length === 0 ? undefined : lines,
    retries: next &&
      `${plural(scheduled, "event")}; next: ${next.topic} ${next.seq}, ${
        dueWords(next, now)
      } as attempt ${next.attempt}`,
  };
}

/** `orders 5, attempt 2, since 4m: pid 7 on box, ./bill`. */
export function describeInFlight(one: InFlightInfo, now: number): string {
  const { pid, host, command } = one.consumer ?? {};
  const again = one.delivery > 1 ? `, delivery ${one.delivery} (${one.unanswered} unanswered)` : "";
  const who = [
    ...(pid === undefined ? [] : [`pid ${pid}${host === undefined ? "" : ` on ${host}`}`]),
    ...(command === undefined ? [] : [command]),
  ].join(", ");
  return `${one.topic} ${one.seq}, attempt ${one.attempt}${again}, since ${age(now - one.since)}${
    who === "" ? "" : `: ${who}`
  }`;
}

/** When something is due: `in 4m (2026-11-29 02:16:51+00:00)`. */
export function dueWords({ dueAt }: Pick<RetryInfo, "dueAt">, now: number): string {
  if (dueAt <= now) return "due now";
  return `in ${dueAt - now < 1000 ? "under 1s" : age(dueAt - now)} (${formatTime(dueAt)})`;
}
