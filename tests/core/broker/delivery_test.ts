/** How the broker delivers events to handlers: order, retries, dead letters, pauses. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { TestBroker } from "../../../testing.ts";
import { NonRetryableError } from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";

Deno.test("EventBroker retries a handler, keeps others going, and dead-letters with every attempt", async () => {
  await using broker = new TestBroker();
  const calls: string[] = [];
  broker.subscribe("t", (event) => {
    calls.push(`bad ${event.payload}`);
    if (event.payload === 1) throw new Error(`no ${calls.length}`);
  }, { name: "bad", maxRetries: 2 });
  broker.subscribe("t", (event) => void calls.push(`good ${event.payload}`), { name: "good" });
  await broker.publish("t", "x", 1);
  await broker.publish("t", "x", 2);
  await broker.waitForProcessing();
  assert.equal(calls.filter((call) => call === "bad 1").length, 3);
  assert.deepEqual(calls.filter((call) => call.startsWith("good")), ["good 1", "good 2"]);
  const [entry] = await broker.getDeadLetterQueue().getEvents({ topic: "t", limit: 10 });
  assert.equal(entry!.subscription, "bad");
  assert.equal(entry!.attempts, 3);
  assert.equal(entry!.event.payload, 1);
  const [record] = await broker.deadLetters.show(entry!.event.id);
  assert.deepEqual(record!.attempts.map(({ attempt }) => attempt), [1, 2, 3]);
  assert.match(record!.attempts[0]!.stack!, /delivery_test/);
});

Deno.test("EventBroker dead-letters at once what a handler calls hopeless", async () => {
  await using broker = new TestBroker();
  broker.subscribe("t", () => {
    throw new NonRetryableError("never");
  }, { name: "s" });
  await broker.publish("t", "x", 1);
  await broker.waitForProcessing();
  assert.equal((await broker.deadLetters.records({}, { limit: 1 })).records[0]!.attempts.length, 1);
});

Deno.test("EventBroker waits what retryDelay tells from the attempt", async () => {
  await using broker = new EventBroker();
  const attempts: number[] = [];
  broker.subscribe("t", () => {
    throw new Error("no");
  }, {
    maxRetries: 2,
    retryDelay: (attempt) => {
      attempts.push(attempt);
      return 0;
    },
  });
  await broker.publish("t", "x", 1);
  await broker.idle();
  assert.deepEqual(attempts, [1, 2, 3]);
});

Deno.test("EventBroker retries a dead letter with its history, and takes it out when it succeeds", async () => {
  await using broker = new TestBroker();
  let broken = true;
  broker.subscribe("t", () => {
    if (broken) throw new Error("down");
  }, { name: "s", maxRetries: 0 });
  const { id } = await broker.publish("t", "x", 1);
  await broker.waitForProcessing();
  assert.equal(await broker.getDeadLetterQueue().retryEvent(id), true);
  await broker.waitForProcessing();
  assert.deepEqual((await broker.deadLetters.show(id))[0]!.attempts.map(({ attempt }) => attempt), [
    1,
    2,
  ]);
  broken = false;
  assert.equal(await broker.retryDeadLetter(id), true);
  await broker.waitForProcessing();
  assert.equal(await broker.deadLetters.count(), 0);
  assert.equal(await broker.retryDeadLetter(id), false);
});

Deno.test("EventBroker hands one event at a time to a handler, in order", async () => {
  await using broker = new EventBroker();
  let running = 0;
  const order: number[] = [];
  broker.subscribe("t", async (event) => {
    assert.equal(++running, 1);
    await Promise.resolve();
    order.push(event.payload);
    running--;
  });
  for (let i = 0; i < 200; i++) await broker.publish("t", "x", i);
  await broker.idle();
  assert.deepEqual(order, Array.from({ length: 200 }, (_, i) => i));
});

Deno.test("EventBroker lets a named subscription go on where it was, and an unnamed one begin at the end", async () => {
  const state = new MemoryState();
  const eventStore = new MemoryEventStore();
  const seen: string[] = [];
  const first = new EventBroker({ state, eventStore });
  await first.publish("t", "x", "a");
  first.subscribe("t", (event) => void seen.push(`named ${event.payload}`), { name: "n" });
  first.subscribe("t", (event) => void seen.push(`unnamed ${event.payload}`));
  await first.publish("t", "x", "b");
  await first.idle();
  await first.close();
  const second = new EventBroker({ state, eventStore });
  await second.publish("t", "x", "c");
  second.subscribe("t", (event) => void seen.push(`named ${event.payload}`), { name: "n" });
  await second.idle();
  await second.close();
  assert.deepEqual(seen.sort(), ["named a", "named b", "named c", "unnamed b"]);
});

Deno.test("EventBroker retries and dead-letters events of a topic that is not persistent", async () => {
  await using broker = new TestBroker();
  broker.createTopic("m", { persistent: false });
  let calls = 0;
  broker.subscribe("m", () => {
    calls++;
    throw new Error("no");
  }, { maxRetries: 1 });
  const { id } = await broker.publish("m", "x", { n: 1 });
  await broker.waitForProcessing();
  assert.equal(calls, 2);
  assert.equal((await broker.getDeadLetterQueue().getEvents())[0]!.event.id, id);
});
