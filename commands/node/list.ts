/** `evs node list`: the nodes that share a database. */
import { listNodes } from "../../core/client/nodes.ts";
import type { NodeInfo } from "../../core/protocol/node.ts";
import { formatDuration } from "../../core/base/units.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { formatTime } from "../terminal/table.ts";

export const route = verb({
  brief: "List the nodes that share the daemon's database",
  description:
    "Lists all nodes that are known: when each was last seen, by the database's clock, and how many parts of subscriptions it owns. One that is gone is forgotten after a day.",
  examples: [
    ["node list", "all of them"],
    ["node list | jq -r 'select(.alive | not).node'", "those that are gone"],
  ],
  parameters: { positional: { kind: "tuple", parameters: [] } },
  async run(this: EvsContext): Promise<void> {
    const nodes = await listNodes(await this.client());
    await this.printRows(nodes, nodeRow);
  },
});

/** A node as a row of a table. */
export function nodeRow(node: NodeInfo): Record<string, unknown> {
  return {
    node: node.node,
    state: stateOf(node),
    seen: `${formatDuration(node.seenMs)} ago`,
    parts: node.parts,
    version: node.version,
    started: formatTime(node.startedAt),
  };
}

function stateOf({ alive, draining, self }: NodeInfo): string {
  const state = alive ? draining ? "draining" : "alive" : "gone";
  return self ? `${state}, answers here` : state;
}
