/** What a lease gets when all events that are at hand wait behind a leased one of their key. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { LateStore } from "../../helpers/late_store.ts";
import { nextTurn } from "../../helpers/late_state.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";

/** One event of a key is leased, others of it are at hand, and more of them are stored. */
async function blocked(eventStore: MemoryEventStore | LateStore) {
  const broker = new EventBroker({ eventStore });
  const publish = async (count: number, key: string) => {
    const messages = Array.from({ length: count }, () => broker.publish("t", "x", 1, { key }));
    await Promise.all(messages);
  };
  const lease = (max: number) =>
    broker.subscriptions.lease("s", { max, waitMs: 0 }, { consumer: "c" });
  await publish(100, "busy");
  await broker.subscriptions.put("s", { topic: "t", from: "start" });
  const { deliveries } = await lease(1);
  assert.equal(deliveries.length, 1);
  return { broker, publish, lease, [Symbol.asyncDispose]: () => broker.close() };
}

const STORES = {
  "a store in memory": () => new MemoryEventStore(),
  "a store that answers later": () =>
    new LateStore(new MemoryEventStore(), (read) => void nextTurn().then(() => read.come())),
};

for (const [name, store] of Object.entries(STORES)) {
  Deno.test(`SubscriptionManager.lease is answered when all waits behind a leased key: ${name}`, async () => {
    await using test = await blocked(store());
    // More than is read ahead.
    await test.publish(2000, "busy");
    const leased = test.lease(10).then(({ deliveries }) => deliveries.length);
    const never = (async () => {
      for (let turns = 0; turns < 100; turns++) await nextTurn();
      return "never";
    })();
    assert.equal(await Promise.race([leased.catch(String), never]), 0);
  });

  Deno.test(`SubscriptionManager.lease gives what stands behind a leased key: ${name}`, async () => {
    await using test = await blocked(store());
    await test.publish(600, "busy");
    await test.publish(1, "free");
    await test.publish(2000, "busy");
    const { deliveries } = await test.lease(10);
    assert.deepEqual(deliveries.map(({ entry }) => entry.key), ["free"]);
  });
}
