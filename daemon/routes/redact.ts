/** The route that redacts an event. */
import { checkRedaction, MOST_OF_BY, MOST_OF_REASON } from "../../core/event/redaction.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, object } from "../http/shape.ts";

const redactRequest = object({
  reason: checkedText({ minLength: 1, maxLength: MOST_OF_REASON }, (reason) => {
    checkRedaction({ reason });
    return reason;
  }),
  by: checkedText({ minLength: 1, maxLength: MOST_OF_BY }, (by) => {
    checkRedaction({ by });
    return by;
  }),
});

/** Redact. */
export const redactRoutes: Route[] = [
  jsonRoute({
    method: "POST",
    path: "/v1/topics/{topic}/events/{event}/redact",
    body: redactRequest,
    async accept({ services, params }, { body, reply }) {
      const result = await services.broker.redact(params["topic"]!, params["event"]!, body);
      const { topic, seq, id, by, reason } = result;
      if (result.created) services.log.logger.warn("redacted", { topic, seq, id, by, reason });
      sendJson(reply, 200, result);
    },
  }),
];
