/** Retention in a broker: what limits take, what subscriptions hold back, and who is told. */
import assert from "node:assert/strict";
import { EventBroker, MemoryEventStore, MemoryState } from "../../../mod.ts";
import type { TopicOptions } from "../../../core/event/topic_options.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const HOUR = 3_600_000;

/** A broker with a topic `t` of so many events, all of which `worker` has still to do. */
async function withEvents(
  count: number,
  options: Partial<TopicOptions>,
  work: (broker: EventBroker, clock: FakeClock) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  await using broker = new EventBroker({
    clock,
    state: new MemoryState(),
    eventStore: new MemoryEventStore({ clock }),
  });
  await broker.topics.create("t", options);
  await broker.subscriptions.put("worker", { topic: "t" });
  const messages = Array.from({ length: count }, (_, payload) => ({ type: "x", payload }));
  await broker.publishBatch("t", messages);
  await work(broker, clock);
}

const first = (broker: EventBroker) => broker.store.head("t").firstSeq;

async function finish(broker: EventBroker, count: number, name = "worker"): Promise<void> {
  const { deliveries } = await broker.subscriptions.lease(name, { max: count }, { consumer: "c" });
  await broker.subscriptions.ack(name, deliveries.map(({ token }) => token));
}

Deno.test("Retention keeps what a subscription has not finished beyond the limits, and says since when", () =>
  withEvents(10, { maxEvents: 4, keep: "unconsumed" }, async (broker, clock) => {
    await broker.retain();
    assert.equal(first(broker), 1);
    const held = () => broker.retention.heldBack("t");
    assert.deepEqual(held(), { from: 1, to: 6, count: 6, by: ["worker"], forMs: 0 });
    await clock.pass(HOUR);
    await finish(broker, 2);
    await broker.retain();
    assert.equal(first(broker), 3);
    const since = "since the pass that found it first";
    assert.deepEqual(held(), { from: 3, to: 6, count: 4, by: ["worker"], forMs: HOUR }, since);
    await finish(broker, 4);
    await broker.retain();
    assert.deepEqual([first(broker), held()], [7, undefined]);
  }));

Deno.test("Retention drops what all named subscriptions have finished, and asks no others", () =>
  withEvents(10, { drop: "consumed" }, async (broker) => {
    await broker.subscriptions.put("slow", { topic: "t" });
    // Without a name, and busy with the last event for ever.
    const end = Promise.withResolvers<void>();
    const unnamed = broker.subscribe("t", () => end.promise);
    await unnamed.ready;
    await broker.publish("t", "x", "last");
    await finish(broker, 6);
    await broker.retain();
    assert.equal(first(broker), 1, "slow has finished nothing");
    await finish(broker, 2, "slow");
    await broker.retain();
    assert.equal(first(broker), 3);
    const { missed } = await broker.subscriptions.info("slow");
    assert.deepEqual(missed, [], "nobody missed what it has done");
    for (const name of ["worker", "slow"]) await finish(broker, 100, name);
    await broker.retain();
    assert.equal(first(broker), 12, "the one without a name holds nothing back");
    end.resolve();
  }));

Deno.test("Retention drops nothing as long as there is no named subscription", () =>
  withEvents(3, { drop: "consumed" }, async (broker) => {
    await broker.subscriptions.remove("worker");
    await broker.retain();
    assert.equal(first(broker), 1);
  }));

Deno.test("Retention tells subscriptions at once what it took from them", () =>
  withEvents(10, { maxEvents: 4 }, async (broker) => {
    await broker.retain();
    const driver = broker.subscriptions.require("worker");
    assert.deepEqual(driver.queue.takeMissed(), [{ topic: "t", from: 1, to: 6, count: 6 }]);
    assert.equal(driver.queue.pending, 4);
  }));

Deno.test("Retention takes what is far above the event limit with the publish that adds it", () =>
  withEvents(10, { maxEvents: 10 }, async (broker) => {
    await broker.publish("t", "x", 11);
    assert.equal(first(broker), 1, "a tenth more may stay until the next pass");
    await broker.publish("t", "x", 12);
    await broker.idle();
    assert.equal(first(broker), 3);
  }));

Deno.test("Retention drops more than one step holds in one pass", () =>
  withEvents(20_001, { drop: "consumed" }, async (broker) => {
    await broker.subscriptions.seek("worker", { to: "end" });
    const [pass] = await broker.retain();
    assert.deepEqual(pass, { topic: "t", removed: 20_001 });
    assert.equal(first(broker), 20_002);
  }));
