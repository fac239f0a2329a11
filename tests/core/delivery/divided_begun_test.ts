/**
 * What handlers have begun where brokers divide a subscription: a delivery that ended without an
 * answer is counted by who takes the part over, and what a broker tells late, that has lost the part
 * and does not know it, counts for nobody.
 */
import assert from "node:assert/strict";
import type { EventBroker } from "../../../mod.ts";
import { ClosedError } from "../../../core/base/errors.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import { DividedRig, quiet, tokensOf, until } from "./divided_rig.ts";

/** Leases bound to a connection, for a consumer that says when its handlers begin. */
async function lease(broker: EventBroker, id: string): Promise<Lease[]> {
  const consumer = { id, host: "h", pid: 1 };
  const request = { max: 1000, bind: true, consumer };
  return (await broker.subscriptions.lease("s", request, { consumer: id })).deliveries;
}

function begin(broker: EventBroker, leases: readonly Lease[], id: string) {
  return broker.subscriptions.begin("s", { leases: tokensOf(leases) }, { consumer: id });
}

/** A broker that does not hear any more that another one has its parts. */
async function overtaken(rig: DividedRig): Promise<{ old: Lease[]; there: Lease[] }> {
  await rig.publish(3);
  const old = await lease(rig.a, "one");
  assert.equal(old.length, 3);
  rig.shared.claims.silence("a");
  const there = await lease(rig.b, "two");
  assert.equal(there.length, 3, "the other one has them");
  return { old, there };
}

/** The broker that has all gives it back, and a third one goes on. */
async function third(rig: DividedRig, there: readonly Lease[]): Promise<Lease[]> {
  await rig.b.subscriptions.release("s", tokensOf(there));
  await rig.b.close();
  const last = await rig.add("c");
  await until(() => last.subscriptions.has("s"));
  const leases = await lease(last, "three");
  assert.equal(leases.length, 3);
  return leases;
}

Deno.test("a delivery counts that had begun when its broker lost the part", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(3);
  const old = await lease(rig.a, "one");
  await begin(rig.a, old, "one");
  rig.shared.claims.silence("a");
  const there = await lease(rig.b, "two");
  assert.deepEqual(there.map(({ delivery }) => delivery), [2, 2, 2]);
});

Deno.test("a delivery counts for nobody that begins when its broker has lost the part", async () => {
  await using rig = await DividedRig.start();
  const { old, there } = await overtaken(rig);
  await begin(rig.a, old, "one");
  const leases = await third(rig, there);
  assert.deepEqual(leases.map(({ delivery }) => delivery), [1, 1, 1]);
  await quiet();
  const { begun, unanswered } = rig.shared.rows();
  assert.deepEqual([begun, unanswered], [[], []], "and nothing is left of it");
});

Deno.test("a broker that has lost the part stores no counts", async () => {
  await using rig = await DividedRig.start();
  const { old, there } = await overtaken(rig);
  // Its connection is gone, and then a request is read that was on its way.
  rig.a.subscriptions.releaseConsumer("one");
  await begin(rig.a, old, "one").catch((error) => assert.ok(error instanceof ClosedError));
  await quiet();
  assert.deepEqual(rig.shared.rows().unanswered, []);
  assert.deepEqual((await third(rig, there)).map(({ delivery }) => delivery), [1, 1, 1]);
});

Deno.test("what had begun in a subscription that was removed counts for none of its name", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(3);
  const old = await lease(rig.a, "one");
  rig.shared.claims.silence("a");
  await rig.b.subscriptions.remove("s");
  await begin(rig.a, old, "one");
  await rig.b.subscriptions.put("s", { topic: "t", from: "start" });
  const there = await lease(rig.b, "two");
  assert.deepEqual(there.map(({ delivery }) => delivery), [1, 1, 1]);
});
