/** The routes of the nodes that share the daemon's database. */
import { requireCluster } from "../cluster.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, flag, object, text, whole } from "../http/shape.ts";

const nodeName = checkedText({ pattern: "^[!-~]{1,300}$" }, (value) => value);
const turnRequest = object({
  name: checkedText({ pattern: "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$" }, (value) => value),
  holder: nodeName,
  ttlMs: whole([1000, 3_600_000]),
  memory: text,
}, { required: ["name", "holder", "ttlMs"] });
const drainRequest = object({ node: nodeName, draining: flag });

/** List, drain, and whose turn it is to tell of them. */
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
    path: "/v1/alerts/turn",
    body: turnRequest,
    required: true,
    async accept({ services }, { body, reply }) {
      sendJson(reply, 200, await requireCluster(services.cluster).alertTurn(body));
    },
  }),
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
