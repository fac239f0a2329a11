/** The routes of retries that wait. */
import { LARGEST_RETRY_PAGE } from "../../core/event/limits.ts";
import { retriesPage, RETRY_CURSOR, retryNow } from "../../core/delivery/scheduled_retries.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, list, object, text, valueIn, whole } from "../http/shape.ts";
import { actOf } from "./audit.ts";

const page = whole([1, LARGEST_RETRY_PAGE]);
const pageStart = checkedText({ pattern: RETRY_CURSOR }, (value) => value);
const nowRequest = object({ ids: list(text, { what: "ids" }) });

/** List by pages, make due. */
export const retryRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/subscriptions/{name}/retries",
    query: { limit: page, after: pageStart },
    async handle({ services, params, query }, reply) {
      const driver = await services.broker.subscriptions.known(params["name"]!);
      const limit = valueIn(query, { name: "limit", shape: page });
      const after = valueIn(query, { name: "after", shape: pageStart });
      sendJson(reply, 200, await retriesPage(driver, { limit, after }));
    },
  },
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/retries/now",
    body: nowRequest,
    async accept(request, { body, reply }) {
      const { services, params } = request;
      const name = params["name"]!;
      const driver = await services.broker.subscriptions.known(name);
      const result = await retryNow(driver, body, actOf(request));
      services.log.logger.info("retries made due", { subscription: name, count: result.count });
      sendJson(reply, 200, result);
    },
  }),
];
