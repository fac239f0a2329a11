/**
 * The broker from an application's point of view: publishing, topics, schemas, retention, closing.
 */
import assert from "node:assert/strict";
import { type Event, EventBroker, JsonSchemaRegistry } from "../../../mod.ts";
import { TestBroker } from "../../../testing.ts";
import {
  ClosedError,
  ConflictError,
  EventRefusedError,
  NotFoundError,
  UnsupportedError,
} from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

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

Deno.test("EventBroker stores a given id once and tells the first seq", async () => {
  await using broker = new EventBroker();
  const first = await broker.publish("t", "x", 1, { id: "a" });
  const again = await broker.publish("t", "x", 2, { id: "a" });
  assert.equal(again.seq, first.seq);
  assert.equal(broker.store.head("t").lastSeq, 1);
});

Deno.test("EventBroker stores what waits for groups and their new topics in the order of the calls", async () => {
  await using broker = new EventBroker();
  await broker.publish("t", "x", 0);
  const group = (topic: string, n: number) =>
    broker.publishAll([
      { topic, type: "x", payload: n },
      { topic: "t", type: "x", payload: n },
    ]);
  await Promise.all([
    group("new", 1),
    broker.publish("t", "x", 2),
    group("newer", 3),
    broker.publish("t", "x", 4),
  ]);
  const events = await broker.getEventStore().getEvents("t");
  assert.deepEqual(events.map(({ payload }) => payload), [0, 1, 2, 3, 4]);
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

Deno.test("EventBroker keeps nothing of a topic that is not persistent, and hands events on by reference", async () => {
  await using broker = new EventBroker();
  const topic = broker.createTopic("metrics", { persistent: false, maxEvents: 0 });
  const seen: Event[] = [];
  await broker.publish("metrics", "m", { before: true });
  topic.subscribe((event) => void seen.push(event));
  const payload = { n: 1 };
  await topic.publish("m", payload);
  assert.equal(seen[0]!.payload, payload);
  await assert.rejects(topic.publish("m", { f: () => 1 }), refused("event/invalid-payload"));
  assert.equal(seen.length, 1);
  assert.equal(broker.store.head("metrics").lastSeq, 0);
  await assert.rejects(topic.publish("m", 1, { expected: "none" }), UnsupportedError);
  const messages = [1, 2, 3].map((payload) => ({ type: "m", payload }));
  const expecting = broker.publishBatch("metrics", messages, { expected: "none" });
  await assert.rejects(expecting, UnsupportedError);
  const batch = await broker.publishBatch("metrics", messages);
  assert.deepEqual(batch.map(({ seq }) => seq), [undefined, undefined, undefined]);
});

Deno.test("EventBroker gives an event that it does not store to a handler once, also when somebody else follows", async () => {
  await using broker = new EventBroker();
  const topic = broker.createTopic("metrics", { persistent: false });
  const seen: unknown[] = [];
  topic.subscribe((event) => void seen.push(event.payload));
  const stop = broker.onCommit(() => {});
  await topic.publish("m", 1);
  await broker.publishBatch("metrics", [{ type: "m", payload: 2 }]);
  await broker.idle();
  stop();
  assert.deepEqual(seen, [1, 2]);
});

Deno.test("EventBroker.publishBatch stores all that was expected, or nothing, and no event above the limit", async () => {
  await using broker = new EventBroker({ maxEventBytes: 1000 });
  const batch = (...payloads: unknown[]) => payloads.map((payload) => ({ type: "x", payload }));
  await broker.publishBatch("t", batch(1), { expected: "none" });
  for (const expected of ["none", 7] as const) {
    await assert.rejects(broker.publishBatch("t", batch(2, 3), { expected }), ConflictError);
  }
  const large = broker.publishBatch("t", batch(2, "x".repeat(1001)));
  await assert.rejects(large, refused("event/too-large"));
  assert.equal(broker.store.head("t").lastSeq, 1);
});

Deno.test("EventBroker.publish refuses an event above the limit, and stores nothing of it", async () => {
  await using broker = new EventBroker({ maxEventBytes: 1000 });
  await assert.rejects(broker.publish("t", "x", "x".repeat(1001)), refused("event/too-large"));
  const metadata = { note: "x".repeat(1001) };
  await assert.rejects(broker.publish("t", "x", 1, metadata), refused("event/too-large"));
  assert.equal((await broker.publish("t", "x", "x".repeat(500))).seq, 1);
});

Deno.test("SchemaGate.remove keeps a schema that a topic requires when the last two are removed at once", async () => {
  await using broker = new EventBroker();
  await broker.gate.register([
    { type: "x", version: "1.0", schema: "{}" },
    { type: "x", version: "2.0", schema: "{}" },
  ]);
  await broker.topics.create("t", { schema: "require" });
  const removed = await Promise.allSettled(
    ["1.0", "2.0"].map((version) => broker.gate.remove("x", version)),
  );
  assert.deepEqual(removed.map(({ status }) => status), ["fulfilled", "rejected"]);
  assert.deepEqual(broker.schemas.versions("x"), ["2.0"]);
});

Deno.test("SchemaGate.remove keeps the last schema of a type that a topic requires", async () => {
  await using broker = new EventBroker();
  await broker.registerSchema("x", { type: "number" });
  await broker.registerSchema("x", { type: "string" });
  await broker.topics.create("t", { schema: "require" });
  await broker.gate.remove("x", "2.0");
  await assert.rejects(broker.gate.remove("x", "1.0"), { code: "schema/required" });
  await broker.topics.update("t", { schema: "validate" });
  await broker.gate.remove("x", "1.0");
  assert.deepEqual(broker.schemas.list(), []);
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
  const [plan] = await first.gate.register([{ type: "x", schema: '{"type":"number"}' }]);
  assert.deepEqual([plan?.created, plan?.record.version], [true, "1.0"]);
  await first.close();
  await using second = new EventBroker({ state });
  await second.ready;
  const candidate = { type: "x", version: undefined, payload: "a" };
  assert.throws(() => second.admit("t", candidate), refused("event/schema-violation"));
  await second.gate.remove("x", "1.0");
  assert.equal(second.admit("t", candidate), "1.0");
  await assert.rejects(second.gate.remove("x", "1.0"), NotFoundError);
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
  const clock = new FakeClock();
  await using broker = new EventBroker({ clock });
  await broker.subscriptions.put("s", { topic: "t" });
  broker.createTopic("t", { maxEvents: 3 });
  for (let i = 0; i < 4; i++) {
    await broker.publish("t", "x", i);
    await clock.pass(1000);
  }
  await broker.retain();
  assert.equal(broker.store.head("t").firstSeq, 2);
  assert.deepEqual((await broker.subscriptions.info("s")).missed, [{
    topic: "t",
    from: 1,
    to: 1,
    count: 1,
  }]);
  await broker.topics.update("t", { maxEvents: 0, retentionPeriod: 1000 });
  assert.deepEqual(await broker.retain(), [{ topic: "t", removed: 2 }]);
  await broker.topics.update("t", { retentionPeriod: 0, maxBytes: 1 });
  assert.deepEqual(await broker.retain(), [{ topic: "t", removed: 1 }]);
});

Deno.test("EventBroker removes by when events were stored when a timestamp is in microseconds", async () => {
  const clock = new FakeClock();
  await using broker = new EventBroker({ clock });
  broker.createTopic("t", { retentionPeriod: 5000 });
  await broker.publish("t", "x", 1, { timestamp: clock.now() * 1000 });
  await broker.publish("t", "x", 2);
  await clock.pass(10_000);
  await broker.publish("t", "x", 3, { timestamp: 1 });
  assert.deepEqual(await broker.retain(), [{ topic: "t", removed: 2 }]);
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
