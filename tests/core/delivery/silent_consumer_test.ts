/**
 * A consumer that stands still for longer than its leases: nothing that it handles becomes a dead
 * letter, others get its events meanwhile, and what it answers late is taken.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import type { LeaseRequest } from "../../../core/protocol/protocol.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const LEASE_MS = 30_000;
const FIXED = { kind: "fixed", base: 1000, max: 1000, jitter: false };

class Rig {
  readonly clock = new FakeClock();
  readonly broker = new EventBroker({ clock: this.clock, state: new MemoryState() });

  get subscriptions() {
    return this.broker.subscriptions;
  }

  async lease(id: string, request: LeaseRequest = {}): Promise<Lease[]> {
    const { deliveries } = await this.subscriptions.lease(
      "s",
      { max: 10, leaseMs: LEASE_MS, bind: true, consumer: { id }, ...request },
      { consumer: `connection of ${id}` },
    );
    return deliveries;
  }

  begin(leases: readonly Lease[]) {
    return this.subscriptions.begin("s", { leases: tokens(leases) }, { consumer: "another" });
  }

  async info() {
    return await this.subscriptions.info("s");
  }
}

const tokens = (leases: readonly Lease[]) => leases.map(({ token }) => token);
const seqs = (leases: readonly Lease[]) => leases.map(({ entry }) => entry.seq);

async function withRig(
  settings: Record<string, unknown>,
  work: (rig: Rig) => Promise<void>,
): Promise<void> {
  const rig = new Rig();
  await using broker = rig.broker;
  for (let i = 0; i < 4; i++) await broker.publish("t", "x", i, { key: `k${i % 2}` });
  await broker.subscriptions.put("s", { topic: "t", settings });
  await work(rig);
}

Deno.test("SubscriptionDriver takes what a consumer answers that stood still, and makes no dead letter of it", () =>
  withRig({ maxRetries: 0 }, async (rig) => {
    const leases = await rig.lease("a");
    assert.deepEqual(seqs(leases), [1, 2]);
    await rig.begin(leases.slice(0, 1));
    await rig.clock.pass(45_000);
    const { dead, leased, scheduled } = await rig.info();
    assert.deepEqual([dead, leased, scheduled], [0, 0, 0]);
    const reply = await rig.subscriptions.ack("s", tokens(leases));
    assert.deepEqual(reply, { settled: 2, lost: [] });
    assert.deepEqual(seqs(await rig.lease("a")), [3, 4]);
  }));

Deno.test("SubscriptionDriver gives a consumer that stood still its own events again, as the same delivery", () =>
  withRig({ maxRetries: 0 }, async (rig) => {
    const leases = await rig.lease("a");
    await rig.begin(leases);
    await rig.clock.pass(45_000);
    const again = await rig.lease("a");
    assert.deepEqual(again.map(({ entry, attempt, delivery }) => [entry.seq, attempt, delivery]), [
      [1, 1, 1],
      [2, 1, 1],
    ]);
    // An answer for either lease is one for the event.
    const both = [leases[0]!, again[1]!];
    assert.deepEqual(await rig.subscriptions.ack("s", tokens(both)), { settled: 2, lost: [] });
    const { dead, leased, pending } = await rig.info();
    assert.deepEqual([dead, leased, pending], [0, 0, 2]);
  }));

Deno.test("SubscriptionDriver gives others the events of a consumer that stands still, in their order, and counts no attempt", () =>
  withRig({ maxRetries: 0 }, async (rig) => {
    const leases = await rig.lease("a");
    await rig.begin(leases.slice(0, 1));
    const waiting = rig.lease("b", { waitMs: 60_000 });
    const first: number[] = [];
    void waiting.then((given) => first.push(...seqs(given)));
    await rig.clock.pass(29_000);
    assert.deepEqual(first, []);
    await rig.clock.pass(1000);
    const given = await waiting;
    const rest = await rig.lease("b");
    assert.deepEqual(seqs([...given, ...rest]), [1, 2]);
    assert.deepEqual([...given, ...rest].map(({ delivery }) => delivery), [2, 1], "one had begun");
    assert.ok([...given, ...rest].every(({ attempt }) => attempt === 1));
    assert.deepEqual(await rig.subscriptions.ack("s", tokens(given)), {
      settled: given.length,
      lost: [],
    });
    const late = await rig.subscriptions.ack("s", tokens(leases));
    assert.equal(late.lost.length, given.length, "what others have done is done");
    assert.deepEqual(seqs(await rig.lease("b")), [3, 4]);
  }));

Deno.test("SubscriptionDriver gives nothing more to a consumer that stands still", () =>
  withRig({}, async (rig) => {
    await rig.lease("a", { max: 1 });
    await rig.lease("c", { max: 1 });
    const waiting = rig.lease("a", { waitMs: 60_000 });
    await rig.clock.pass(45_000);
    assert.deepEqual(await waiting, []);
    assert.deepEqual(seqs(await rig.lease("b")), [1, 2]);
  }));

Deno.test("SubscriptionDriver gives up an event at last whose consumers stand still each time", () =>
  withRig({ maxRetries: 0, maxDeliveries: 3 }, async (rig) => {
    for (const id of ["a", "b", "c"]) {
      const leases = await rig.lease(id, { max: 1 });
      assert.deepEqual(seqs(leases), [1]);
      await rig.begin(leases);
      await rig.clock.pass(45_000);
    }
    const [dead] = await rig.broker.getDeadLetterQueue().getEvents();
    assert.equal(dead?.error, "ended 3 times without an answer");
    assert.deepEqual(seqs(await rig.lease("d")), [2, 3]);
  }));

Deno.test("SubscriptionDriver counts a lease that ran out as an attempt when nobody promised to extend it", () =>
  withRig({ maxRetries: 0 }, async (rig) => {
    for (const more of [{ bind: false }, { consumer: undefined }]) {
      const leases = await rig.lease("a", { max: 1, ...more } as LeaseRequest);
      const before = (await rig.info()).dead;
      await rig.clock.pass(45_000);
      assert.equal((await rig.info()).dead, before + 1);
      const late = await rig.subscriptions.ack("s", tokens(leases));
      assert.equal(late.settled, 0);
    }
  }));

Deno.test("SubscriptionDriver keeps the attempts of a retry when its failure is told late", () =>
  withRig({ maxRetries: 5, backoff: FIXED }, async (rig) => {
    const nack = async (leases: readonly Lease[], error: string) =>
      await rig.subscriptions.nack("s", [{ lease: leases[0]!.token, error, durationMs: 1 }]);
    await nack(await rig.lease("a", { max: 1 }), "first");
    await rig.clock.pass(1000);
    const first = async () => (await rig.lease("a")).filter(({ entry }) => entry.seq === 1);
    const leases = await first();
    assert.deepEqual(leases.map(({ attempt }) => attempt), [2]);
    await rig.begin(leases);
    await rig.clock.pass(45_000);
    const reply = await nack(leases, "second");
    assert.deepEqual(reply.outcomes, ["retry"]);
    await rig.clock.pass(1000);
    const [last] = await first();
    assert.equal(last!.attempt, 3);
    const told = last!.record!.attempts.map(({ attempt, error }) => [attempt, error]);
    assert.deepEqual(told, [[1, "first"], [2, "second"]]);
  }));
