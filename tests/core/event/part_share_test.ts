/**
 * The share of a node: wherever parts are at first and in whatever order nodes act, each ends with
 * its share, nothing is taken from a node that is there, and then nobody does anything more.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { planShare, quotaOf } from "../../../core/event/part_share.ts";

const NODES = ["a", "b", "c", "d", "e"];
const parts = fc.integer({ min: 1, max: 20 });
const wanting = fc.subarray(NODES);

/** Parts with their owners, those that want some, and the order in which nodes act. */
const cluster = fc.record({
  owners: fc.array(fc.constantFrom(undefined, ...NODES), { minLength: 1, maxLength: 20 }),
  wanting,
  turns: fc.array(fc.constantFrom(...NODES), { maxLength: 20 }),
});

/** A node acts; returns how many parts that moved. */
function act(node: string, owners: (string | undefined)[], wanting: readonly string[]): number {
  const { claim, release } = planShare({ node, wanting, owners });
  for (const part of claim) {
    assert.equal(owners[part], undefined, "only what is free is claimed");
    owners[part] = node;
  }
  for (const part of release) {
    assert.equal(owners[part], node, "only what is its own is given back");
    owners[part] = undefined;
  }
  assert.ok(claim.length === 0 || release.length === 0, "not both at once");
  return claim.length + release.length;
}

Deno.test("quotaOf divides all parts, to one part, among those that want some", () => {
  fc.assert(fc.property(parts, wanting, (parts, wanting) => {
    const quotas = wanting.map((node) => quotaOf(parts, { node, wanting }));
    const sum = quotas.reduce((sum, quota) => sum + quota, 0);
    assert.equal(sum, wanting.length === 0 ? 0 : parts);
    assert.ok(Math.max(0, ...quotas) - Math.min(parts, ...quotas) <= 1 || wanting.length === 0);
    for (const node of NODES.filter((node) => !wanting.includes(node))) {
      assert.equal(quotaOf(parts, { node, wanting }), 0);
    }
  }));
});

Deno.test("quotaOf is the same in whatever order the nodes are seen, and however often", () => {
  fc.assert(fc.property(parts, wanting, fc.constantFrom(...NODES), (parts, wanting, node) => {
    const quota = quotaOf(parts, { node, wanting });
    const again = [...wanting.toReversed(), ...wanting];
    assert.equal(quotaOf(parts, { node, wanting: again }), quota);
  }));
});

Deno.test("planShare has a lone node claim everything at once", () => {
  fc.assert(fc.property(parts, (parts) => {
    const owners = new Array<string | undefined>(parts).fill(undefined);
    act("a", owners, ["a"]);
    assert.deepEqual(owners, new Array(parts).fill("a"));
  }));
});

Deno.test("planShare leads to equal shares from any owners, when nodes act in any order", () => {
  fc.assert(fc.property(cluster, ({ owners: first, wanting, turns }) => {
    const owners = [...first];
    for (const node of turns) act(node, owners, wanting);
    // Once more each: all have given back what they have too many of, then all claim what they lack.
    for (const node of [...NODES, ...NODES]) act(node, owners, wanting);
    for (const node of NODES) {
      const own = owners.filter((owner) => owner === node).length;
      assert.equal(own, quotaOf(owners.length, { node, wanting }), node);
      assert.equal(act(node, owners, wanting), 0, "nobody does anything more");
    }
    assert.ok(wanting.length === 0 || !owners.includes(undefined), "every part has an owner");
  }));
});

Deno.test("planShare moves no part of a node that has its share when a node is gone", () => {
  fc.assert(fc.property(parts, wanting, (parts, wanting) => {
    fc.pre(wanting.length > 1);
    const owners = new Array<string | undefined>(parts).fill(undefined);
    for (const node of wanting) act(node, owners, wanting);
    const [gone, ...left] = wanting;
    const after = owners.map((owner) => owner === gone ? undefined : owner);
    for (const node of left) {
      const { release } = planShare({ node, wanting: left, owners: after });
      assert.deepEqual(release, [], "fewer nodes: nobody has too many");
    }
  }));
});
