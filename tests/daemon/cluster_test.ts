/** What a daemon tells of the nodes that share its database, and what it says when there are none. */
import assert from "node:assert/strict";
import type { NodeInfo } from "../../core/protocol/node.ts";
import { ownerText } from "../../commands/subscription/shared.ts";
import { Cluster, type ClusterSource, requireCluster } from "../../daemon/cluster.ts";

function source(): ClusterSource & { drained: unknown[] } {
  const node = (name: string): NodeInfo => ({
    node: name,
    version: "1.2.3",
    startedAt: 1,
    seenMs: 2,
    alive: true,
    draining: false,
    parts: 3,
  });
  const drained: unknown[] = [];
  return {
    node: () => "here",
    drained,
    nodes: () => Promise.resolve([node("there"), node("here")]),
    drain: (name, draining) => {
      drained.push([name, draining]);
      return Promise.resolve(name !== "nowhere");
    },
    owners: () => Promise.resolve([]),
    next: ({ from }) => Promise.resolve(from),
    facts: () =>
      Promise.resolve({
        ...{ database: "h:1/d", server: "16.1", durable: true, standbys: [] },
        oldestSnapshotMs: 0,
      }),
    alertTurn: () => Promise.resolve({ held: false }),
    counts: () => Promise.resolve(new Map()),
    writeMetrics: () => {},
  };
}

Deno.test("Cluster marks the node that answers, and drains it if no other is named", async () => {
  const asked = source();
  const cluster = new Cluster(asked);
  const { node, nodes, server } = await cluster.info();
  assert.deepEqual([node, server], ["here", "16.1"]);
  assert.deepEqual(nodes.map(({ node, self }) => [node, self]), [["there", undefined], [
    "here",
    true,
  ]]);
  await cluster.drain({});
  await cluster.drain({ node: "there", draining: false });
  assert.deepEqual(asked.drained, [["here", true], ["there", false]]);
  await assert.rejects(cluster.drain({ node: "nowhere" }), { code: "node/not-found", exit: 1 });
});

Deno.test("requireCluster says in words that a daemon with files of its own is no node", () => {
  assert.throws(() => requireCluster(undefined), { code: "node/local", exit: 2 });
});

Deno.test("ownerText names a node with its parts as ranges, and says when it was silent or is gone", () => {
  const parts = [0, 1, 2, 7, 9, 10];
  assert.equal(ownerText({ node: "a", parts, seenMs: 10 }), "a: 6 parts (0-2, 7, 9-10)");
  assert.match(ownerText({ node: "a", parts: [3], seenMs: 60_000 }), /^a: 1 part \(3\), seen 1m/);
  assert.equal(ownerText({ node: "a", parts: [3] }), "a: 1 part (3), gone");
  assert.equal(ownerText({ parts: [4, 5] }), "nobody: 2 parts (4-5)");
});
