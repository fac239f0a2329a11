/**
 * A broker goes on with parts that another one has taken over meanwhile, because it stood still for
 * too long. Whatever it decides of them changes nothing, wherever it was when it lost them; what it
 * still has is decided anew, and stored.
 */
import assert from "node:assert/strict";
import type { EventBroker } from "../../../mod.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import type { SubscriptionRequest } from "../../../core/protocol/protocol.ts";
import { DividedRig, LONG_MS, quiet, seqsOf, tokensOf, until, upTo } from "./divided_rig.ts";

/** What one broker has under way while the other one takes everything over. */
type Late = (rig: DividedRig, leases: readonly Lease[]) => Promise<unknown>;

/** Lets a broker lose all of 10 leased events while `late` is being stored; returns what it says. */
async function losing(late: Late, request: Partial<SubscriptionRequest> = {}) {
  const rig = await DividedRig.start(request);
  await rig.publish(10);
  const leases = await rig.lease(rig.a, { leaseMs: 10_000, bind: true });
  await rig.a.subscriptions.begin("s", { leases: tokensOf(leases.slice(0, 2)) }, { consumer: "c" });
  assert.equal(leases.length, 10);
  const goOn = rig.shared.hold("commit");
  const ending = late(rig, leases);
  ending.catch(() => {}); // the test awaits it below
  await quiet();
  rig.shared.claims.silence("a");
  const there = await rig.lease(rig.b, { waitMs: LONG_MS });
  goOn();
  const told = await ending;
  await quiet();
  return { rig, leases, there, told };
}

/** The other broker has all, and the state says only what that one did. */
async function assertNothingKept(rig: DividedRig, there: readonly Lease[]): Promise<void> {
  assert.deepEqual(seqsOf(there), upTo(10));
  assert.equal(rig.queue(rig.a).leased, 0, "its leases are over");
  const { retries, done, unanswered } = rig.shared.rows();
  assert.deepEqual([retries, done, unanswered], [[], [], []]);
  assert.equal(await rig.a.deadLetters.count({ subscription: "s" }), 0);
  assert.deepEqual((await rig.b.subscriptions.ack("s", tokensOf(there))).lost, []);
  assert.deepEqual(rig.shared.rows().cursors.map(({ next }) => next), [11]);
  await rig[Symbol.asyncDispose]();
}

const all = ({ a }: DividedRig) => a.subscriptions;

const LATE: Record<string, Late> = {
  "acknowledgements": async (rig, leases) =>
    (await all(rig).ack("s", tokensOf(leases))).lost.length,
  "failures": async (rig, leases) =>
    (await all(rig).nack("s", leases.map(({ token }) => ({ lease: token, error: "no" }))))
      .lost.length,
  "dead letters": async (rig, leases) =>
    (await all(rig).nack(
      "s",
      leases.map(({ token }) => ({ lease: token, error: "no", dead: true })),
    )).lost.length,
  "leases that ran out": async (rig, leases) => {
    await rig.clock.pass(10_001);
    await quiet();
    return leases.length;
  },
  "the end of a consumer": async (rig, leases) => {
    all(rig).releaseConsumer("c");
    await quiet();
    return leases.length;
  },
};

for (const [what, late] of Object.entries(LATE)) {
  Deno.test(`${what} of parts that are another broker's by then change nothing`, async () => {
    const { rig, there, told } = await losing(late);
    assert.equal(told, 10, "all of them are lost");
    await assertNothingKept(rig, there);
  });
}

Deno.test("a cursor of parts that are another broker's by then is not stored", async () => {
  await using rig = await DividedRig.start({ settings: { eventTypes: ["y"] } });
  await rig.publish(10);
  assert.deepEqual(await rig.lease(rig.a), []);
  assert.ok(rig.queue(rig.a).dirty, "it has skipped all of them");
  const goOn = rig.shared.hold("commit");
  const flushing = rig.a.subscriptions.require("s").flush();
  await quiet();
  rig.shared.claims.silence("a");
  rig.want(rig.b);
  await until(() => rig.owned()["b"] === 16);
  goOn();
  await flushing;
  assert.deepEqual(rig.shared.rows().cursors.map(({ next }) => next), [1]);
  assert.equal(rig.queue(rig.a).lanes.own, 0);
  await rig.b.subscriptions.require("s").flush();
  assert.deepEqual(rig.shared.rows().cursors.map(({ next }) => next), [11]);
});

Deno.test("settlements are stored of the parts that are left, and lost of the others", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(60);
  const leases = await rig.lease(rig.a);
  const isTaken = ({ entry }: Lease) => entry.part < 5;
  rig.shared.claims.take("s", [0, 1, 2, 3, 4], "b");
  rig.shared.claims.silence("a");
  const { lost } = await rig.a.subscriptions.ack("s", tokensOf(leases));
  assert.deepEqual(lost.sort(), tokensOf(leases.filter(isTaken)).sort());
  assert.ok(lost.length > 5);
  assert.equal(rig.queue(rig.a).leased, 0);
  const { cursors } = rig.shared.rows();
  const nextOf = (part: number) =>
    cursors.find(({ parts = 1 }) => parts === 1 << part)?.next ??
      cursors.find(({ parts }) => parts === -1)!.next;
  assert.deepEqual(upTo(16).map((_, part) => nextOf(part)), [
    ...Array(5).fill(1),
    ...Array(11).fill(61),
  ]);
});

Deno.test("a commit that names no lost part is stored, although the broker has lost others", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(60);
  const leases = await rig.lease(rig.a);
  rig.shared.claims.silence("a");
  rig.shared.claims.take("s", [0, 1, 2, 3, 4], "b");
  const tries: number[][] = [];
  const { check } = rig.shared.claims;
  rig.shared.claims.check = (fences) => {
    tries.push(fences.map(({ part }) => part));
    check.call(rig.shared.claims, fences);
  };
  await rig.a.subscriptions.pause("s", { reason: "no part of it is named" });
  assert.deepEqual(tries, [[]]);
  // The first one stays, so no cursor moves, which would name all parts.
  const some = leases.filter(({ entry }) => entry.part > 5 && entry.seq > 1);
  assert.deepEqual((await rig.a.subscriptions.ack("s", tokensOf(some))).lost, []);
  const named = [...new Set(some.map(({ entry }) => entry.part))].sort((a, b) => a - b);
  assert.deepEqual(tries, [[], named]);
  assert.equal(rig.queue(rig.a).leased, leases.length - some.length, "nobody has told it");
});

/** Rows of a part were changed by somebody else: both what it decides and what it has are old. */
async function changing(rig: DividedRig, broker: EventBroker): Promise<Lease[]> {
  await rig.publish(10);
  const leases = await rig.lease(broker);
  rig.shared.claims.silence("a");
  return leases;
}

Deno.test("settlements are decided anew under what somebody else has changed", async () => {
  await using rig = await DividedRig.start();
  const leases = await changing(rig, rig.a);
  const [gone, ...others] = leases;
  const { topic, seq, part } = gone!.entry;
  // As a person who has dead-lettered it, and sends it again from elsewhere.
  const retry = {
    subscription: "s",
    topic,
    seq,
    id: gone!.entry.id,
    type: "x",
    key: gone!.entry.key!,
    dueAt: rig.clock.now(),
    waitMs: 0,
    nextAttempt: 2,
    failures: 0,
    attempts: [],
    line: gone!.entry.copyLine(),
    part,
  };
  await rig.shared.store([
    { op: "done.put", subscription: "s", topic, seqs: [seq], part },
    { op: "retry.put", record: retry },
  ]);
  for (const claim of rig.shared.claims.of("s")) claim.rev++;
  const { lost } = await rig.a.subscriptions.ack("s", tokensOf(leases));
  assert.deepEqual(lost, [gone!.token], "its event is elsewhere now");
  assert.equal(rig.shared.rows().retries.length, 1);
  assert.deepEqual(rig.shared.claims.of("s").map(({ epoch }) => epoch), Array(16).fill(1));
  const again = await rig.lease(rig.a);
  assert.deepEqual(again.map(({ entry, attempt }) => [entry.seq, attempt]), [[seq, 2]]);
  assert.deepEqual((await rig.a.subscriptions.ack("s", tokensOf(again))).lost, []);
  assert.deepEqual(rig.shared.rows().retries, []);
  assert.equal(others.length, 9);
});

Deno.test("a retry that is another broker's by then is not delivered, and that is no error", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(1);
  const [first] = await rig.lease(rig.a);
  await rig.a.subscriptions.nack("s", [{ lease: first!.token, error: "no", afterMs: 0 }]);
  rig.shared.claims.silence("a");
  const there = await rig.lease(rig.b);
  assert.deepEqual((await rig.b.subscriptions.ack("s", tokensOf(there))).lost, []);
  assert.deepEqual(await rig.lease(rig.a), []);
  assert.equal(rig.queue(rig.a).leased, 0);
});
