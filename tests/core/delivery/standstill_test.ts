/** Leases across a standstill of the process that granted them. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";

async function withBroker(
  work: (broker: EventBroker, clock: FakeClock) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  await using broker = new EventBroker({ clock, state: new MemoryState() });
  for (let i = 0; i < 4; i++) await broker.publish("t", "x", i);
  const settings = { maxRetries: 0 };
  await broker.subscriptions.put("s", { topic: "t", from: "start", settings });
  await work(broker, clock);
}

const lease = (broker: EventBroker, leaseMs: number, max = 1) =>
  broker.subscriptions.lease("s", { max, leaseMs }, { consumer: "c" });

Deno.test("SubscriptionDriver extends the leases that ran out while the process stood still", () =>
  withBroker(async (broker, clock) => {
    const [short] = (await lease(broker, 1000)).deliveries;
    const [long] = (await lease(broker, 30_000)).deliveries;
    await clock.pass(900);
    clock.stand(60_000);
    await clock.pass(0);
    // Both answers were in the socket when the timers fired.
    const reply = await broker.subscriptions.ack("s", [short!.token, long!.token]);
    assert.deepEqual(reply, { settled: 2, lost: [] });
    assert.equal(await broker.deadLetters.count(), 0);
  }));

Deno.test("SubscriptionDriver extends a lease by as long as the process stood still, not for ever", () =>
  withBroker(async (broker, clock) => {
    await lease(broker, 10_000);
    await clock.pass(4000);
    clock.stand(60_000);
    await clock.pass(5900);
    assert.equal(await broker.deadLetters.count(), 0, "6 of its 10 seconds were left");
    await clock.pass(400);
    assert.equal(await broker.deadLetters.count(), 1);
    assert.equal((await broker.subscriptions.info("s")).leased, 0);
  }));

Deno.test("SubscriptionDriver ends a lease in time when the process never stood still", () =>
  withBroker(async (broker, clock) => {
    await lease(broker, 10_000);
    await clock.pass(9999);
    assert.equal(await broker.deadLetters.count(), 0);
    await clock.pass(1);
    assert.equal(await broker.deadLetters.count(), 1);
  }));

Deno.test("SubscriptionDriver looks once more before a lease ends when its timer fired a little late", () =>
  withBroker(async (broker, clock) => {
    const [one] = (await lease(broker, 100)).deliveries;
    clock.stand(200);
    await clock.pass(0);
    assert.deepEqual(await broker.subscriptions.ack("s", [one!.token]), { settled: 1, lost: [] });
    await lease(broker, 100);
    clock.stand(200);
    await clock.pass(50);
    await settled();
    assert.equal(await broker.deadLetters.count(), 1, "nobody answered");
  }));

Deno.test("SubscriptionDriver looks at the time only while it has leases that end", () =>
  withBroker(async (broker, clock) => {
    assert.equal(clock.timers, 0);
    const { deliveries } = await lease(broker, 60_000, 4);
    assert.equal(clock.timers, 2);
    await broker.subscriptions.ack("s", deliveries.map(({ token }) => token));
    await clock.pass(250);
    assert.equal(clock.timers, 0);
  }));
