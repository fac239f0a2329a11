/** Formats what a subscription has in flight. */
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { InFlightInfo, RetryInfo } from "../../core/protocol/in_flight.ts";
import { age, ago } from "../terminal/age.ts";
import { formatTime, plural } from "../terminal/table.ts";

/** The facts about it in `subscription show`; none if nothing is in flight. */
export function inFlightFacts(
  { name, inFlight = [], leased, retries = [], scheduled }: SubscriptionInfo,
  now: number,
): Record<string, unknown> {
  const lines = inFlight.map((one) => describeInFlight(one, now));
  if (lines.length > 0 && leased > lines.length) {
    lines.push(`and ${plural(leased - lines.length, "newer one")}`);
  }
  const waiting = retries.map((one) => describeRetry(one, now));
  if (waiting.length > 0 && scheduled > waiting.length) {
    const more = plural(scheduled - waiting.length, "later one");
    waiting.push(`and ${more}: evs subscription retries ${name}`);
  }
  return {
    "in flight": lines.length === 0 ? undefined : lines,
    retries: waiting.length === 0 ? undefined : waiting,
  };
}

/** `orders 5, attempt 2 in 4m (2026-11-29 02:16:51+00:00): exit code 1`. */
function describeRetry(one: RetryInfo, now: number): string {
  const why = one.reason === undefined ? "" : `: ${one.reason}`;
  return `${one.topic} ${one.seq}, attempt ${one.attempt} ${dueWords(one, now)}${why}`;
}

/** `orders 5, attempt 2, since 4m: pid 7 on box (connected 1h, last answer 5m ago), ./bill`. */
export function describeInFlight(one: InFlightInfo, now: number): string {
  const { pid, host, command, connectedAt, lastAckAt } = one.consumer ?? {};
  const again = one.delivery > 1 ? `, delivery ${one.delivery} (${one.unanswered} unanswered)` : "";
  const answer = lastAckAt === undefined ? "no answer yet" : `last answer ${ago(now - lastAckAt)}`;
  const connected = connectedAt === undefined
    ? ""
    : ` (connected ${ago(now - connectedAt)}, ${answer})`;
  const who = [
    ...(pid === undefined
      ? []
      : [`pid ${pid}${host === undefined ? "" : ` on ${host}`}${connected}`]),
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
