/** A node as a person sees it in `evs node list`: in words, and within a line of 80 columns. */
import assert from "node:assert/strict";
import { nodeRow } from "../../commands/node/list.ts";
import type { NodeInfo } from "../../core/protocol/node.ts";

const NOW = 1_800_000_000_000;
const NODE: NodeInfo = {
  node: "ip-10-120-12-134.eu-west-1-3f9a02c1",
  version: "0.10.12",
  startedAt: NOW - 3 * 3_600_000 - 61_771,
  seenMs: 5771,
  alive: true,
  draining: false,
  parts: 16,
};

Deno.test("nodeRow says whether a node that was asked to drain may be stopped", () => {
  const state = (changed: Partial<NodeInfo>) => nodeRow({ ...NODE, ...changed }, NOW)["state"];
  assert.equal(state({}), "alive");
  assert.equal(state({ self: true }), "alive (here)");
  assert.equal(state({ draining: true }), "draining");
  assert.equal(state({ draining: true, parts: 0, self: true }), "drained (here)");
  assert.equal(state({ draining: true, alive: false }), "gone");
});

Deno.test("nodeRow fits a line of 80 columns when the machine's name is long", () => {
  const row = nodeRow({ ...NODE, draining: true, self: true }, NOW);
  assert.deepEqual(row, {
    node: NODE.node,
    state: "draining (here)",
    seen: "5s ago",
    parts: 16,
    version: "0.10.12",
    up: "3h",
  });
  const width = (text: unknown, head: string) => Math.max(String(text).length, head.length);
  const line = Object.entries(row).reduce((sum, [head, text]) => sum + width(text, head) + 2, -2);
  assert.ok(line <= 80, `${line} columns`);
  assert.equal(nodeRow({ ...NODE, alive: false }, NOW)["up"], "-");
});
