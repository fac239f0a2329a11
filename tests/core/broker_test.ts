import assert from "node:assert/strict";
import {
  type DeadLetterEntry,
  type DeadLetterQueue,
  type Event,
  EventBroker,
  type EventStore,
  JsonSchemaRegistry,
  systemClock,
} from "../../mod.ts";
import { TestBroker } from "../../testing.ts";
import {
  ClosedError,
  ConflictError,
  EventRefusedError,
  NonRetryableError,
  NotFoundError,
  UnsupportedError,
} from "../../core/errors.ts";
import { MemoryState } from "../../core/state/memory.ts";
import { MemoryEventStore } from "../../core/store/memory.ts";

function refused(code: string) {
  return (error: unknown) => error instanceof EventRefusedError && error.code === code;
}

Deno.test("EventBroker delivers what is published after subscribing, and resolves before it is handled", async () => {
  await using broker = new EventBroker();
  const seen: Event[] = [];
  const gate = Promise.withResolvers<void>();
  broker.subscribe<{ username: string }>("users", async (event) => {
    await gate.promise;
    seen.push(event);
  });
  const published = await broker.publish("users", "user.created", { username: "first" }, {
    schemaVersion: "2.0",
    correlationId: "c-1",
    metadata: { traceparent: "t" },
    key: "u1",
  });
  assert.deepEqual(seen, [], "publish does not wait for the handler");
  gate.resolve();
  await broker.idle();
  assert.deepEqual(seen, [published]);
  assert.equal(published.seq, 1);
  assert.equal(published.schemaVersion, "2.0");
  assert.deepEqual(published.metadata, { correlationId: "c-1", traceparent: "t" });
  assert.equal(published.key, "u1");
});

Deno.test("EventBroker captures the payload when it is published", async () => {
  await using broker = new EventBroker();
  const payload = { n: 1 };
  const publishing = broker.publish("t", "x", payload);
  payload.n = 2;
  await publishing;
  const [event] = await broker.getEventStore().getEvents("t");
  assert.deepEqual(event!.payload, { n: 1 });
});

Deno.test("EventBroker refuses payloads that are not JSON, and stores nothing of them", async () => {
  await using broker = new EventBroker();
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  for (const payload of [undefined, () => 1, 1n, cycle, { f: () => 1 }, Symbol("x")]) {
    await assert.rejects(broker.publish("t", "x", payload), refused("event/invalid-payload"));
  }
  await assert.rejects(broker.publish("t", "", 1), refused("event/invalid-envelope"));
  await assert.rejects(
    broker.publish("t", "x", 1, { id: "a b" }),
    refused("event/invalid-envelope"),
  );
  assert.equal(broker.store.head("t").lastSeq, 0);
});

Deno.test("EventBroker stores a given id once and tells the first seq", async () => {
  await using broker = new EventBroker();
  const first = await broker.publish("t", "x", 1, { id: "a" });
  const again = await broker.publish("t", "x", 2, { id: "a" });
  assert.equal(again.seq, first.seq);
  assert.equal(broker.store.head("t").lastSeq, 1);
});

Deno.test("EventBroker answers a failed expectation with both numbers", async () => {
  await using broker = new EventBroker();
  await broker.publish("t", "x", 1, { expected: "none" });
  await assert.rejects(
    broker.publish("t", "x", 2, { expected: 7 }),
    (error) =>
      error instanceof ConflictError && error.details!["expected"] === 7 &&
      error.details!["actual"] === 1,
  );
});

Deno.test("EventBroker publishes nothing once the signal has aborted", async () => {
  await using broker = new EventBroker();
  await assert.rejects(broker.publish("t", "x", 1, { signal: AbortSignal.abort() }));
  assert.equal(broker.store.head("t").lastSeq, 0);
});

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
  const [record] = broker.deadLetters.show(entry!.event.id);
  assert.deepEqual(record!.attempts.map(({ attempt }) => attempt), [1, 2, 3]);
  assert.match(record!.attempts[0]!.stack!, /broker_test/);
});

Deno.test("EventBroker dead-letters at once what a handler calls hopeless", async () => {
  await using broker = new TestBroker();
  broker.subscribe("t", () => {
    throw new NonRetryableError("never");
  }, { name: "s" });
  await broker.publish("t", "x", 1);
  await broker.waitForProcessing();
  assert.equal(broker.deadLetters.list({}, { limit: 1 }).entries[0]!.attempts, 1);
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
  assert.deepEqual(broker.deadLetters.show(id)[0]!.attempts.map(({ attempt }) => attempt), [1, 2]);
  broken = false;
  assert.equal(await broker.retryDeadLetter(id), true);
  await broker.waitForProcessing();
  assert.equal(broker.deadLetters.count(), 0);
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

Deno.test("EventBroker delivers only the types and matches that were asked for, and comes to the end", async () => {
  await using broker = new EventBroker();
  const seen: unknown[] = [];
  broker.subscribe("t", (event) => void seen.push(event.payload.n), {
    name: "s",
    eventTypes: ["a"],
    where: "payload.n > 1",
  });
  for (let n = 0; n < 5; n++) await broker.publish("t", n % 2 ? "b" : "a", { n });
  await broker.idle();
  assert.deepEqual(seen, [2, 4]);
  assert.equal(broker.subscriptions.info("s").pending, 0);
});

Deno.test("Subscription receives nothing while paused, and all of it after", async () => {
  await using broker = new EventBroker();
  const seen: number[] = [];
  const subscription = broker.subscribe("t", (event) => void seen.push(event.payload));
  await broker.publish("t", "x", 1);
  await broker.idle();
  subscription.pause();
  await broker.publish("t", "x", 2);
  await broker.idle();
  assert.deepEqual(seen, [1]);
  subscription.resume();
  await broker.idle();
  assert.deepEqual(seen, [1, 2]);
  await subscription.unsubscribe();
  await broker.publish("t", "x", 3);
  await broker.idle();
  assert.deepEqual(seen, [1, 2]);
});

Deno.test("EventBroker keeps nothing of a topic that is not persistent, and hands events on by reference", async () => {
  await using broker = new EventBroker();
  const topic = broker.createTopic("metrics", { persistent: false, maxEvents: 0 });
  const seen: Event[] = [];
  await broker.publish("metrics", "m", { before: true });
  topic.subscribe((event) => void seen.push(event));
  const payload = { f: () => 1 };
  await topic.publish("m", payload);
  assert.equal(seen[0]!.payload, payload);
  assert.equal(seen.length, 1);
  assert.equal(broker.store.head("metrics").lastSeq, 0);
  await assert.rejects(topic.publish("m", 1, { expected: "none" }), UnsupportedError);
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

Deno.test("EventBroker matches patterns, topics to come among them", async () => {
  await using broker = new EventBroker();
  const seen: string[] = [];
  await broker.publish("orders.eu", "x", 0);
  broker.subscribe("orders.*", (event) => void seen.push(`${event.topic} ${event.payload}`));
  await broker.publish("orders.eu", "x", 1);
  await broker.publish("orders.us", "x", 2);
  await broker.publish("users", "x", 3);
  await broker.idle();
  assert.deepEqual(seen.sort(), ["orders.eu 1", "orders.us 2"]);
});

Deno.test("EventBroker checks payloads by schema, and records the version that was meant", async () => {
  const schemaRegistry = new JsonSchemaRegistry();
  const schema = (type: string) => ({
    type: "object",
    required: ["n"],
    properties: { n: { type } },
  });
  schemaRegistry.registerSchema("x", schema("string"), "1.0");
  schemaRegistry.registerSchema("x", schema("number"), "2.0");
  await using broker = new EventBroker({ schemaRegistry });
  assert.equal((await broker.publish("t", "x", { n: 1 })).schemaVersion, "2.0");
  assert.equal(
    (await broker.publish("t", "x", { n: "1" }, { schemaVersion: "1.0" })).schemaVersion,
    "1.0",
  );
  await assert.rejects(broker.publish("t", "x", { n: "1" }), (error) => {
    assert.ok(error instanceof EventRefusedError);
    assert.equal(error.code, "event/schema-violation");
    assert.equal((error.details!["faults"] as { pointer: string }[])[0]!.pointer, "/n");
    return true;
  });
  await assert.rejects(
    broker.publish("t", "x", { n: 1 }, { schemaVersion: "9" }),
    refused("event/schema-unknown-version"),
  );
  assert.equal((await broker.publish("t", "other", 1)).schemaVersion, "1.0");
  broker.createTopic("strict", { schema: "require" });
  await assert.rejects(broker.publish("strict", "other", 1), refused("event/schema-required"));
  broker.createTopic("off", { schema: "off" });
  await broker.publish("off", "x", "anything");
  broker.createTopic("own", { schemaRegistry: new JsonSchemaRegistry() });
  await broker.publish("own", "x", "anything");
});

Deno.test("EventBroker keeps registered schemas in the state", async () => {
  const state = new MemoryState();
  const first = new EventBroker({ state });
  assert.deepEqual(await first.registerSchema("x", undefined, '{"type":"number"}'), {
    created: true,
    version: "1.0",
  });
  await first.close();
  await using second = new EventBroker({ state });
  await second.ready;
  assert.throws(() => second.admit("t", "x", undefined, "a"), refused("event/schema-violation"));
  await second.removeSchema("x", "1.0");
  assert.equal(second.admit("t", "x", undefined, "a"), "1.0");
  await assert.rejects(second.removeSchema("x", "1.0"), NotFoundError);
});

class ThreeMethods implements EventStore {
  readonly events: Event[] = [];
  fails = false;
  saveEvent(event: Event): Promise<void> {
    if (this.fails) return Promise.reject(new Error("connection lost"));
    this.events.push(event);
    return Promise.resolve();
  }
  getEvents(topic: string): Promise<Event[]> {
    return Promise.resolve(this.events.filter((event) => event.topic === topic));
  }
  deleteEvents(): Promise<number> {
    return Promise.resolve(0);
  }
}

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
  assert.equal(broker.deadLetters.count(), 0);
  broken = false;
  assert.equal(await broker.retryDeadLetter(id), true);
  await broker.waitForProcessing();
  assert.deepEqual(seen, [7]);
  assert.deepEqual(deadLetterQueue.entries, []);
});

Deno.test("EventBroker tells its listeners and survives one that throws", async () => {
  const errors: unknown[] = [];
  await using broker = new EventBroker({ onError: (error) => errors.push(error) });
  const topics: string[] = [];
  broker.onCommit(() => {
    throw new Error("a tail broke");
  });
  const stop = broker.onCommit(({ topic, ephemeral }) =>
    topics.push(ephemeral ? `${topic}!` : topic)
  );
  broker.createTopic("e", { persistent: false });
  await broker.publish("e", "x", 1);
  await broker.publish("t", "x", 1);
  stop();
  await broker.publish("t", "x", 2);
  assert.deepEqual(topics, ["e!", "t"]);
  assert.equal(errors.length, 3);
});

Deno.test("EventBroker refuses to make topics where it may not, with the nearest name", async () => {
  await using broker = new EventBroker({ autoCreateTopics: false });
  broker.createTopic("orders");
  await assert.rejects(broker.publish("ordres", "x", 1), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.match(error.hint!, /orders/);
    return true;
  });
});

Deno.test("EventBroker removes by count, bytes and age, and counts what a subscription missed", async () => {
  await using broker = new EventBroker({ clock: { ...systemClock, now: () => 5000 } });
  await broker.subscriptions.put("s", { topic: "t" });
  broker.createTopic("t", { maxEvents: 3 });
  for (let i = 0; i < 4; i++) await broker.publish("t", "x", i, { timestamp: 1000 + i });
  await broker.retain();
  assert.equal(broker.store.head("t").firstSeq, 2);
  assert.deepEqual(broker.subscriptions.info("s").missed, [{
    topic: "t",
    from: 1,
    to: 1,
    count: 1,
  }]);
  await broker.topics.update("t", { maxEvents: 0, retentionPeriod: 5000 - 1003 });
  assert.deepEqual(await broker.retain(), [{ topic: "t", removed: 2 }]);
  await broker.topics.update("t", { retentionPeriod: 0, maxBytes: 1 });
  assert.deepEqual(await broker.retain(), [{ topic: "t", removed: 1 }]);
});

Deno.test("EventBroker refuses everything once it is closed", async () => {
  const broker = new EventBroker();
  await broker.close();
  await assert.rejects(broker.publish("t", "x", 1), ClosedError);
  assert.throws(() => broker.subscribe("t", () => {}), ClosedError);
});

Deno.test("TestBroker waits for what handlers publish, and tells what was published", async () => {
  await using broker = new TestBroker();
  broker.subscribe("orders", async (event) => {
    await broker.publish("inventory", "inventory.reserved", event.payload);
  });
  await broker.publish("orders", "order.created", { orderId: "test-123" });
  await broker.waitForProcessing();
  const published = broker.getPublishedEvents("inventory");
  assert.equal(published.length, 1);
  assert.equal(published[0]!.type, "inventory.reserved");
});
