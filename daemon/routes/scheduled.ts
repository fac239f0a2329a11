/** The routes of scheduled events. */
import {
  cancelScheduled,
  SCHEDULED_CURSOR,
  scheduledPage,
} from "../../core/broker/scheduled_list.ts";
import { LARGEST_SCHEDULED_PAGE } from "../../core/event/limits.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, list, object, valueIn, whole } from "../http/shape.ts";
import { actOf } from "./audit.ts";
import { eventId, topicName } from "./shapes.ts";

const page = whole([1, LARGEST_SCHEDULED_PAGE]);
const pageStart = checkedText({ pattern: SCHEDULED_CURSOR }, (value) => value);
const cancelRequest = object({
  ids: list(eventId, { what: "ids", most: LARGEST_SCHEDULED_PAGE }),
  topic: topicName,
}, { required: ["ids"] });

/** List by pages, cancel. */
export const scheduledRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/scheduled",
    query: { topic: topicName, limit: page, after: pageStart },
    async handle({ services, query }, reply) {
      const topic = valueIn(query, { name: "topic", shape: topicName });
      const limit = valueIn(query, { name: "limit", shape: page });
      const after = valueIn(query, { name: "after", shape: pageStart });
      const { scheduled } = services.broker;
      sendJson(reply, 200, await scheduledPage(scheduled, { topic, limit, after }));
    },
  },
  jsonRoute({
    method: "POST",
    path: "/v1/scheduled/cancel",
    body: cancelRequest,
    required: true,
    async accept(request, { body, reply }) {
      const { services } = request;
      const act = actOf(request);
      const result = await services.disk.makeRoom(() =>
        cancelScheduled(services.broker.scheduled, body, act)
      );
      services.log.logger.info("scheduled events cancelled", { count: result.count });
      sendJson(reply, 200, result);
    },
  }),
];
