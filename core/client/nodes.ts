/** Requests about the nodes that share the daemon's database. */
import type {
  AlertTurn,
  AlertTurnRequest,
  DrainRequest,
  NodeInfo,
  NodesReply,
} from "../protocol/node.ts";
import type { Client } from "./client.ts";

/** Whether an `evs alert` is to tell what is of all nodes. */
export async function alertTurn(client: Client, request: AlertTurnRequest): Promise<AlertTurn> {
  const body = JSON.stringify(request);
  return await client.call<AlertTurn>({ method: "POST", path: "/v1/alerts/turn", body });
}

/** All nodes that are known. */
export async function listNodes(client: Client): Promise<NodeInfo[]> {
  return (await client.call<NodesReply>({ method: "GET", path: "/v1/nodes" })).nodes;
}

/** Has a node give back what it owns, or take work again. Returns all nodes. */
export async function drainNode(client: Client, request: DrainRequest): Promise<NodeInfo[]> {
  const body = JSON.stringify(request);
  return (await client.act<NodesReply>({ method: "POST", path: "/v1/nodes/drain", body })).nodes;
}
