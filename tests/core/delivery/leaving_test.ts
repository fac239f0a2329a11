/**
 * A part that a broker is to give back, and that the coordinator takes from it before its leases have
 * ended: what comes late of that must not drop the part when it is here again by then.
 */
import assert from "node:assert/strict";
import { allParts, maskOf, partsIn } from "../../../core/event/part.ts";
import type { Coordinator, PartOwner } from "../../../core/state/coordinator.ts";
import { DividedRig, LONG_MS, quiet, tokensOf, until } from "./divided_rig.ts";

/** Has a test tell the next broker what it owns; returns who is to be told. */
function drivenByHand({ shared: { claims } }: DividedRig): () => PartOwner {
  let owner: PartOwner | undefined;
  claims.coordinator = (node): Coordinator => ({
    node,
    parts: 16,
    share(_record, one) {
      owner = one;
      return {
        want: () => {},
        mayDeliver: true,
        settling: false,
        allOwned: true,
        refused: ({ fences }) => one.lost(maskOf(fences.map(({ part }) => part))),
        end: () => Promise.resolve(),
      };
    },
  });
  return () => owner!;
}

Deno.test("a part that was taken while it was leaving stays when it comes again at once", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(20);
  const ownerOf = drivenByHand(rig);
  const broker = await rig.add("c");
  const all = partsIn(allParts(16));
  rig.shared.claims.of("s", 16);
  const gain = (parts: number[]) => {
    rig.shared.claims.take("s", parts, "c");
    return ownerOf().gained(rig.shared.claims.load("s", parts));
  };
  await gain(all);
  const leases = await rig.lease(broker);
  assert.equal(leases.length, 20);
  const { part } = leases[0]!.entry;
  let hasLeft = false;
  const leaving = ownerOf().leaving(maskOf([part])).then(() => hasLeft = true);
  await quiet();
  assert.equal(hasLeft, false, "it is leased");

  // The time is over; what was skipped is being stored when the part comes back.
  const goOn = rig.shared.hold("commit");
  await ownerOf().lost(maskOf([part]));
  await until(() => broker.subscriptions.require("s").isCommitting);
  const gained = gain([part]);
  await quiet();
  assert.equal(hasLeft, false, "it is still being stored");
  goOn();
  await Promise.all([leaving, gained]);
  assert.deepEqual(partsIn(rig.queue(broker).lanes.own), all);
  const again = await rig.lease(broker, { waitMs: LONG_MS });
  assert.deepEqual(new Set(again.map(({ entry }) => entry.part)), new Set([part]));
  assert.deepEqual((await broker.subscriptions.ack("s", tokensOf(again))).lost, []);
});
