/** The broker on user-written stores and dead-letter queues with only the required methods. */
import assert from "node:assert/strict";
import {
  type DeadLetterEntry,
  type DeadLetterQueue,
  type Event,
  EventBroker,
} from "../../../mod.ts";
import { TestBroker } from "../../../testing.ts";
import { UnsupportedError } from "../../../core/base/errors.ts";
import { ThreeMethods } from "../../helpers/three_methods.ts";

Deno.test("EventBroker works on a store with three methods, live", async () => {
  const eventStore = new ThreeMethods();
  await using broker = new EventBroker({ eventStore });
  const seen: unknown[] = [];
  broker.subscribe("t", (event) => void seen.push(event.payload));
  await Promise.all([1, 2, 3].map((n) => broker.publish("t", "x", n)));
  await broker.idle();
  assert.deepEqual(seen, [1, 2, 3]);
  assert.deepEqual(eventStore.events.map(({ seq, payload }) => [seq, payload]), [[1, 1], [2, 2], [
    3,
    3,
  ]]);
  await assert.rejects(broker.publish("t", "x", 4, { expected: 3 }), UnsupportedError);
  assert.throws(() => broker.subscribe("t", () => {}, { from: "2" }), UnsupportedError);
  eventStore.fails = true;
  await assert.rejects(broker.publish("t", "x", 5), /connection lost/);
  eventStore.fails = false;
  assert.equal((await broker.publish("t", "x", 6)).seq, 4);
  assert.equal(broker.getEventStore(), eventStore);
});

Deno.test("getNewest finds what a store with three methods kept from before", async () => {
  const eventStore = new ThreeMethods();
  await using before = new EventBroker({ eventStore });
  for (const n of [1, 2]) await before.publish("t", "x", n, { key: "k" });
  await before.publish("t", "x", 3);
  await using broker = new EventBroker({ eventStore });
  assert.equal((await broker.getNewest("t", "k"))?.payload, 2);
  assert.equal(await broker.getNewest("t", "other"), undefined);
  assert.throws(() => broker.stream("t", { lastPerKey: true }), UnsupportedError);
});

class FourMethods implements DeadLetterQueue {
  entries: DeadLetterEntry[] = [];
  addEvent(event: Event, error: Error, subscription: string): Promise<void> {
    this.entries.push({ event, error: error.message, subscription, timestamp: 1, attempts: 1 });
    return Promise.resolve();
  }
  getEvents(): Promise<DeadLetterEntry[]> {
    return Promise.resolve(this.entries);
  }
  retryEvent(): Promise<boolean> {
    return Promise.resolve(false);
  }
  removeEvent(id: string): Promise<boolean> {
    this.entries = this.entries.filter(({ event }) => event.id !== id);
    return Promise.resolve(true);
  }
}

Deno.test("EventBroker gives dead letters to a queue of the application's own, and retries from it", async () => {
  const deadLetterQueue = new FourMethods();
  await using broker = new TestBroker({ deadLetterQueue });
  let broken = true;
  const seen: number[] = [];
  broker.subscribe("t", (event) => {
    if (broken) throw new Error("down");
    seen.push(event.payload);
  }, { name: "s", maxRetries: 1 });
  const { id } = await broker.publish("t", "x", 7);
  await broker.waitForProcessing();
  assert.deepEqual(
    deadLetterQueue.entries.map(({ error, subscription }) => [error, subscription]),
    [["down", "s"]],
  );
  assert.equal(await broker.deadLetters.count(), 0);
  broken = false;
  assert.equal(await broker.retryDeadLetter(id), true);
  await broker.waitForProcessing();
  assert.deepEqual(seen, [7]);
  assert.deepEqual(deadLetterQueue.entries, []);
});
