/** `GET /v1/history`: what was there in the last 72 hours, for charts. */
import { parseDuration } from "../../core/base/units.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { parseOffset } from "../../core/event/offset.ts";
import { MOST_HISTORIES } from "../../core/protocol/history.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, valueIn } from "../http/shape.ts";
import { pastTime, subscriptionName, topicName } from "./shapes.ts";

const MINUTE = 60_000;
/** Up to here the default step is a minute, ms. */
const BY_MINUTES = 180 * MINUTE;
/** There is nothing older, ms. */
const LONGEST = 72 * 60 * MINUTE;
/** The most points of a reply, over all names. */
const MOST_POINTS = 20_000;

const step = checkedText({
  pattern: "^([1-9][0-9]{0,3}m|[1-9][0-9]?h|[1-3]d)$",
}, (value, place) => parseDuration(value, place));

/** The history. */
export const historyRoutes: Route[] = [{
  method: "GET",
  path: "/v1/history",
  query: {
    topic: { shape: topicName, repeats: true, most: MOST_HISTORIES },
    subscription: { shape: subscriptionName, repeats: true, most: MOST_HISTORIES },
    from: pastTime,
    until: pastTime,
    step,
  },
  async handle({ services: { broker, history }, query }, reply) {
    const topics = [...new Set(query.getAll("topic"))];
    const subscriptions = [...new Set(query.getAll("subscription"))];
    for (const name of topics) broker.topics.require(name);
    for (const name of subscriptions) await broker.subscriptions.known(name);
    const names = [
      ...topics.map((name) => ({ kind: "topics" as const, name })),
      ...subscriptions.map((name) => ({ kind: "subscriptions" as const, name })),
    ];
    if (names.length > MOST_HISTORIES) {
      throw new InvalidArgumentError(`at most ${MOST_HISTORIES} topics and subscriptions at once`);
    }
    sendJson(reply, 200, await history.read({ names, ...stepsOf(query, names.length) }));
  },
}];

/**
 * The steps that were asked for, as far as there can be any: whole ones, so that the same time is
 * always in the same step.
 */
function stepsOf(
  query: URLSearchParams,
  names: number,
): { from: number; step: number; count: number } {
  const now = Date.now();
  const timeOf = (name: string, otherwise: number) => {
    const given = valueIn(query, { name, shape: pastTime });
    const offset = given === undefined ? undefined : parseOffset(given);
    const time = offset?.kind === "ago"
      ? now - offset.ms
      : offset?.kind === "time"
      ? offset.at
      : otherwise;
    return Math.min(now, Math.max(time, now - LONGEST));
  };
  const until = timeOf("until", now);
  const from = Math.min(until, timeOf("from", until - BY_MINUTES));
  const long = valueIn(query, { name: "step", shape: step }) ??
    (until - from > BY_MINUTES ? 10 * MINUTE : MINUTE);
  const first = Math.floor(from / long);
  const count = Math.floor(until / long) - first + 1;
  const most = Math.floor(MOST_POINTS / Math.max(1, names));
  if (count > most) {
    throw new InvalidArgumentError(
      `that would be ${count} points for each of ${names} names, and the limit is ${most}`,
      { code: "history/too-many-points", hint: "ask for a longer step, less time or fewer names" },
    );
  }
  return { from: first * long, step: long, count };
}
