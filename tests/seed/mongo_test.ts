/**
 * The seed document's MongoDB dead-letter queue. There is no MongoDB here (see
 * mongo_collection.ts), so it runs on an in-memory collection with the driver's interface, which
 * the compiler compares with the driver's own.
 */
import assert from "node:assert/strict";
import type { Collection } from "../packages/mongodb.ts";
import { TestBroker } from "https://deno.land/x/env_event_stream/testing.ts";
import type { MongoCollection } from "./mongo_collection.ts";
import { MongoDeadLetterQueue } from "./mongo_dead_letter_queue.ts";

/**
 * The driver's collection fits where ours does: a line that compiles, or the stand-in has drifted
 * away.
 */
const asOurs: (collection: Collection) => MongoCollection = (collection) => collection;

Deno.test("Creating a Database-Backed Dead Letter Queue", async () => {
  assert.equal(asOurs.length, 1);
  const deadLetterQueue = new MongoDeadLetterQueue("mongodb://localhost/seed");
  await using broker = new TestBroker({ deadLetterQueue });
  let broken = true;
  const handled: number[] = [];
  broker.subscribe("orders", ({ payload }) => {
    if (broken) throw new Error("out of stock");
    handled.push(payload);
  }, { name: "stock", maxRetries: 1 });
  const first = await broker.publish("orders", "order.placed", 1);
  await broker.publish("orders", "order.cancelled", 2);
  await broker.waitForProcessing();

  const all = await deadLetterQueue.getEvents();
  assert.deepEqual(all.map(({ error, subscription }) => [error, subscription]), [
    ["out of stock", "stock"],
    ["out of stock", "stock"],
  ]);
  assert.deepEqual(
    (await deadLetterQueue.getEvents({ topic: "orders", eventType: "order.placed", limit: 5 }))
      .map(({ event }) => event),
    [first],
  );
  assert.equal((await deadLetterQueue.getEvents({ limit: 1 })).length, 1);
  assert.deepEqual(await deadLetterQueue.getEvents({ topic: "elsewhere" }), []);

  // What the class calls a retry only counts: the broker is what delivers again.
  assert.equal(await deadLetterQueue.retryEvent(first.id), true);
  assert.equal(await deadLetterQueue.retryEvent("nobody"), false);
  await broker.waitForProcessing();
  assert.deepEqual(handled, []);
  broken = false;
  assert.equal(await broker.retryDeadLetter(first.id), true);
  await broker.waitForProcessing();
  assert.deepEqual(handled, [1]);
  const left = await deadLetterQueue.getEvents();
  assert.deepEqual(left.map(({ event }) => event.payload), [2]);
  assert.equal(await deadLetterQueue.removeEvent(left[0]!.event.id), true);
  assert.equal(await deadLetterQueue.removeEvent(left[0]!.event.id), false);
});
