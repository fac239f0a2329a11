/** The routes of the nodes that share the daemon's database. */
import { requireCluster } from "../cluster.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, flag, object } from "../http/shape.ts";

const nodeName = checkedText({ pattern: "^[!-~]{1,300}$" }, (value) => value);
const drainRequest = object({ node: nodeName, draining: flag });

/** List, drain. */
export const nodeRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/nodes",
    async handle({ services }, reply) {
      sendJson(reply, 200, { nodes: await requireCluster(services.cluster).nodes() });
    },
  },
  jsonRoute({
    method: "POST",
    path: "/v1/nodes/drain",
    body: drainRequest,
    required: false,
    async accept({ services }, { body, reply }) {
      const nodes = await requireCluster(services.cluster).drain(body);
      services.log.logger.info("node asked to drain", { ...body });
      sendJson(reply, 200, { nodes });
    },
  }),
];
