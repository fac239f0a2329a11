/** The audit log: who acts, as requests say, and the route that lists what was done. */
import { type ActOptions, AUDIT_ACTS } from "../../core/event/audit.ts";
import { ACTOR_HEADER, decodeActor } from "../../core/protocol/actor.ts";
import { LARGEST_PAGE } from "../../core/event/limits.ts";
import { defined } from "../../core/base/defined.ts";
import { type Route, type RouteRequest, sendJson } from "../http/router.ts";
import { choice, valueIn, whole } from "../http/shape.ts";
import { moment, subscriptionName, topicName } from "./shapes.ts";

const DEFAULT_PAGE = 100;
const act = choice(AUDIT_ACTS);
const limit = whole([1, LARGEST_PAGE]);
const before = whole([1, Number.MAX_SAFE_INTEGER]);

/** Where an act comes from, as the request says. Throws `InvalidArgumentError` if it says it wrong. */
export function actOf({ raw }: Pick<RouteRequest, "raw">): ActOptions {
  return { act: { ...decodeActor(raw.header(ACTOR_HEADER)), at: Date.now() } };
}

/** List, the newest first. */
export const auditRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/audit",
    query: {
      since: moment,
      act,
      topic: topicName,
      subscription: subscriptionName,
      limit,
      before,
    },
    async handle({ services, query }, reply) {
      const most = valueIn(query, { name: "limit", shape: limit }) ?? DEFAULT_PAGE;
      const filter = defined({
        since: valueIn(query, { name: "since", shape: moment }),
        act: valueIn(query, { name: "act", shape: act }),
        topic: valueIn(query, { name: "topic", shape: topicName }),
        subscription: valueIn(query, { name: "subscription", shape: subscriptionName }),
        before: valueIn(query, { name: "before", shape: before }),
      });
      const found = await services.state.audit({ ...filter, limit: most + 1 });
      const acts = found.slice(0, most);
      const next = found.length > most ? acts.at(-1)!.number : undefined;
      sendJson(reply, 200, { acts, ...defined({ next }) });
    },
  },
];
