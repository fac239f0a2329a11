/** `evs node list`: the nodes that share a database. */
import { listNodes } from "../../core/client/nodes.ts";
import type { NodeInfo } from "../../core/protocol/node.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { age, ago } from "../terminal/age.ts";

export const route = verb({
  brief: "List the nodes that share the daemon's database",
  description:
    "Lists all nodes that are known: when each was last seen, by the database's clock, and how many parts of subscriptions it owns. One that works on a subscription is seen every 2 seconds and gone after 10, one that has nothing to do once a minute and gone after two. `drained` is a node that was asked to drain and owns nothing any more: it may be stopped. One that is gone is forgotten after a day. `(here)` marks the one that answers.",
  examples: [
    ["node list", "all of them"],
    ["node list | jq -r 'select(.alive | not).node'", "those that are gone"],
  ],
  parameters: { positional: { kind: "tuple", parameters: [] } },
  async run(this: EvsContext): Promise<void> {
    const nodes = await listNodes(await this.client());
    await this.printRows(nodes, (node) => nodeRow(node, this.clock.now()));
  },
});

/** A node as a row of a table: short, because the name of a machine may be long. */
export function nodeRow(node: NodeInfo, now: number): Record<string, unknown> {
  return {
    node: node.node,
    state: stateOf(node),
    seen: ago(node.seenMs),
    parts: node.parts,
    version: node.version,
    up: node.alive ? age(now - node.startedAt) : "-",
  };
}

/** One that is drained and owns nothing any more may be stopped. */
function stateOf({ alive, draining, parts, self }: NodeInfo): string {
  const drained = parts === 0 ? "drained" : "draining";
  const state = alive ? draining ? drained : "alive" : "gone";
  return self ? `${state} (here)` : state;
}
