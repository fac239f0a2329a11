/** A handler in this process on topics that store nothing: the fast path, and what leaves it. */
import assert from "node:assert/strict";
import { type Event, EventBroker, JsonSchemaRegistry, OverflowError } from "../../../mod.ts";
import { TestBroker } from "../../../testing.ts";

function open(): EventBroker {
  const broker = new EventBroker();
  broker.createTopic("m", { persistent: false });
  return broker;
}

Deno.test("HandlerRunner hands on what waits for a busy handler without deepening the stack", async () => {
  await using broker = open();
  const gate = Promise.withResolvers<void>();
  let handled = 0;
  broker.subscribe("m", () => {
    // The first one continues after it returned, those after it return at once.
    if (handled++ === 0) return gate.promise;
  });
  for (let n = 0; n < 60_000; n++) await broker.publish("m", "x", n);
  assert.equal(handled, 1);
  gate.resolve();
  await broker.idle();
  assert.equal(handled, 60_000);
});

Deno.test("HandlerRunner drops the oldest of what a handler is too slow for, and says so once", async () => {
  const errors: unknown[] = [];
  await using broker = new EventBroker({ onError: (error) => errors.push(error) });
  broker.createTopic("m", { persistent: false });
  const gate = Promise.withResolvers<void>();
  const seen: number[] = [];
  broker.subscribe("m", (event) => {
    if (seen.push(event.payload) === 1) return gate.promise;
  });
  for (let n = 0; n < 65_540; n++) await broker.publish("m", "x", n);
  gate.resolve();
  await broker.idle();
  assert.deepEqual([seen.length, seen[0], seen[1], seen.at(-1)], [65_537, 0, 4, 65_539]);
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof OverflowError && errors[0].code === "stream/overflow");
});

Deno.test("EventBroker gives an event of the short way all that others have", async () => {
  await using broker = open();
  await broker.getTopic("m")!.ready;
  const seen: Event[] = [];
  broker.subscribe("m", (event) => void seen.push(event));
  const short = await broker.publish("m", "x", 1);
  const long = await broker.publish("m", "x", 1, {});
  assert.deepEqual(Object.keys(short).sort(), Object.keys(long).sort());
  assert.deepEqual([short.schemaVersion, short.metadata], [long.schemaVersion, long.metadata]);
  assert.equal(seen[0], short);
  assert.ok(short.id < long.id, "ids rise over both ways");
});

Deno.test("EventBroker leaves the short way for a schema, a live tail, and a consumer elsewhere", async () => {
  await using broker = open();
  const seen: unknown[] = [];
  broker.subscribe("m", (event) => void seen.push(event.payload));
  await broker.publish("m", "x", 1);
  const stream = broker.stream("m");
  await broker.publish("m", "x", 2);
  assert.equal((await stream.next()).value?.payload, 2);
  await stream.return();
  await broker.subscriptions.put("elsewhere", { topic: "m" });
  await broker.publish("m", "x", 3);
  assert.equal((await broker.subscriptions.info("elsewhere")).pending, 1);
  await broker.registerSchema("x", { type: "number" });
  await assert.rejects(broker.publish("m", "x", "four"), /does not follow the schema/);
  broker.createTopic("own", { persistent: false, schemaRegistry: new JsonSchemaRegistry() });
  await broker.publish("own", "x", "anything");
  await assert.rejects(broker.publish("m", "", 5), /the type is empty/);
  await broker.topics.update("m", { schema: "require" });
  await assert.rejects(broker.publish("m", "y", 6), /has none/);
  assert.deepEqual(seen, [1, 2, 3]);
});

Deno.test("EventBroker names the cause of what a handler of the short way publishes", async () => {
  await using broker = open();
  const caused: Event[] = [];
  broker.createTopic("n", { persistent: false });
  broker.subscribe("m", () => void broker.publish("n", "y", 1));
  broker.subscribe("n", (event) => void caused.push(event));
  const first = await broker.publish("m", "x", 1);
  const second = await broker.publish("m", "x", 2);
  assert.deepEqual(caused.map(({ metadata }) => metadata["causationId"]), [first.id, second.id]);
});

Deno.test("HandlerRunner keeps a throw to its own event: not to the publisher, not to other handlers", async () => {
  await using broker = new TestBroker();
  broker.createTopic("m", { persistent: false });
  const seen: unknown[] = [];
  broker.subscribe("m", () => {
    throw new Error("synchronous");
  }, { maxRetries: 0 });
  broker.subscribe("m", () => Promise.reject(new Error("asynchronous")), { maxRetries: 0 });
  broker.subscribe("m", (event) => void seen.push(event.payload));
  await broker.publish("m", "x", 1);
  await broker.publish("m", "x", 2);
  await broker.idle();
  assert.deepEqual(seen, [1, 2]);
  const entries = await broker.getDeadLetterQueue().getEvents();
  assert.deepEqual(entries.map(({ error }) => error).sort(), [
    "asynchronous",
    "asynchronous",
    "synchronous",
    "synchronous",
  ]);
});
