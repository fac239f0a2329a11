/** What other processes get while one of them has an event alone, which has ended others before. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { nextTurn } from "../../helpers/late_state.ts";

/** One process has an event that has ended two others. */
async function suspected() {
  const broker = new EventBroker();
  const { subscriptions } = broker;
  const lease = (id: string, waitMs = 0) =>
    subscriptions.lease("s", { max: 1, waitMs, bind: true, consumer: { id } }, { consumer: id });
  await broker.createTopic("t");
  await subscriptions.put("s", { topic: "t", from: "start" });
  await broker.publish("t", "x", 1);
  for (const consumer of ["one", "two"]) {
    const { deliveries: [first] } = await lease(consumer);
    await subscriptions.begin("s", { leases: [first!.token] }, { consumer });
    subscriptions.releaseConsumer(consumer);
    await nextTurn();
  }
  const { deliveries: [suspect] } = await lease("three");
  assert.equal(suspect?.entry.unanswered, 2);
  return { broker, lease, suspect, [Symbol.asyncDispose]: () => broker.close() };
}

/** "never" if it has not come after many turns. */
async function inTurns<T>(coming: Promise<T>): Promise<T | "never"> {
  const never = (async () => {
    for (let turns = 0; turns < 100; turns++) await nextTurn();
    return "never" as const;
  })();
  return await Promise.race([coming, never]);
}

Deno.test("SubscriptionManager.lease answers a process while another one has an event alone", async () => {
  await using test = await suspected();
  const { broker, lease, suspect } = test;
  const held = lease("three", 60_000);
  const other = lease("four", 60_000).then(({ deliveries }) => deliveries[0]?.entry.seq);
  await broker.publish("t", "x", 2);
  const seq = await inTurns(other);
  await broker.subscriptions.ack("s", [suspect.token]);
  await broker.publish("t", "x", 3);
  assert.equal((await held).deliveries.length, 1, "it waited for its event");
  assert.equal(seq, 2);
});

Deno.test("SubscriptionManager.lease without a wait is answered while its process has an event alone", async () => {
  await using test = await suspected();
  await test.broker.publishBatch(
    "t",
    Array.from({ length: 2000 }, () => ({ type: "x", payload: 2 })),
  );
  const reply = await inTurns(test.lease("three"));
  assert.ok(reply !== "never");
  assert.equal(reply.deliveries.length, 0);
});
