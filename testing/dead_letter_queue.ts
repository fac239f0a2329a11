/**
 * Tests for dead-letter queues: what the broker expects of every queue, by itself and inside a
 * broker.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../core/broker/event_broker.ts";
import type { DeadLetterQueue } from "../core/dead_letter/queue.ts";
import type { Event } from "../core/event/event.ts";
import { type Register, registerWith, type TestFunction, type UnderTest } from "./suite.ts";

/** What a queue claims to support beyond the four methods. */
export interface QueueCapabilities {
  /** Entries survive reopening. `create` must return `reopen`. Default false. */
  durable?: boolean;
  /**
   * It keeps an event once per subscription that gave up on it, however often that happened.
   * Default false.
   */
  unique?: boolean;
}

/** A queue to test. */
export interface DeadLetterQueueSuite {
  /** Prefix of each test's name. */
  name: string;
  /** Creates an empty queue; called for each test. */
  create(): Promise<UnderTest<DeadLetterQueue>>;
  /** Default: none. */
  capabilities?: QueueCapabilities;
  /** Registers a test. Default: `Deno.test`. */
  test?: TestFunction;
}

/**
 * Registers the tests of a dead-letter queue.
 *
 * ```ts ignore
 * import { testDeadLetterQueue } from "@env/env-event-stream/testing";
 * import { MyQueue } from "./my_queue.ts";
 *
 * testDeadLetterQueue({ name: "MyQueue", create: async () => ({ store: new MyQueue() }) });
 * ```
 */
export function testDeadLetterQueue({
  name,
  create,
  capabilities: { durable, unique } = {},
  test = Deno.test,
}: DeadLetterQueueSuite): void {
  const register = registerWith(name, { create, test });
  testFourMethods(register);
  testInBroker(register);
  if (durable) testDurability(register);
  if (unique) testUnique(register);
}

function event(n: number, fields: Partial<Event> = {}): Event {
  return {
    id: `event-${n}`,
    type: "x",
    topic: "t",
    timestamp: 1_700_000_000_000 + n,
    schemaVersion: "1.0",
    payload: { n, text: 'ü "quoted" \\ € 𝄞' },
    metadata: { source: "test" },
    ...fields,
  };
}

async function ids(queue: DeadLetterQueue, options?: object): Promise<string[]> {
  const entries = await (options ? queue.getEvents(options) : queue.getEvents());
  return entries.map((entry) => entry.event.id).sort();
}

function testFourMethods(test: Register<DeadLetterQueue>): void {
  test("gives back what was added, with its error and its subscription", async ({ store }) => {
    const before = Date.now();
    await store.addEvent(event(1), new Error("out of 'stock'"), "s");
    const [entry] = await store.getEvents();
    assert.deepEqual(entry?.event, event(1));
    assert.deepEqual([entry.error, entry.subscription], ["out of 'stock'", "s"]);
    assert.ok(entry.attempts >= 1);
    assert.ok(entry.timestamp >= before - 1000 && entry.timestamp <= Date.now() + 1000);
  });

  test("keeps an event as it was when somebody changes it later", async ({ store }) => {
    const changing = event(1);
    await store.addEvent(changing, new Error("x"), "s");
    changing.payload.n = 2;
    assert.equal((await store.getEvents())[0]?.event.payload.n, 1);
  });

  test("gives only what was asked for", async ({ store }) => {
    await store.addEvent(event(1), new Error("x"), "s");
    await store.addEvent(event(2, { topic: "u" }), new Error("x"), "s");
    await store.addEvent(event(3, { type: "y" }), new Error("x"), "s");
    assert.deepEqual(await ids(store), ["event-1", "event-2", "event-3"]);
    assert.deepEqual(await ids(store, { topic: "t" }), ["event-1", "event-3"]);
    assert.deepEqual(await ids(store, { eventType: "y" }), ["event-3"]);
    assert.deepEqual(await ids(store, { topic: "u", eventType: "y" }), []);
    assert.equal((await ids(store, { limit: 2 })).length, 2);
    assert.equal((await ids(store, { limit: 0 })).length, 3);
  });

  test("keeps every event when many are added at once", async ({ store }) => {
    const numbers = Array.from({ length: 50 }, (_, i) => i);
    await Promise.all(numbers.map((n) => store.addEvent(event(n), new Error("x"), "s")));
    assert.deepEqual(await ids(store), numbers.map((n) => `event-${n}`).sort());
  });

  test("removes an event once", async ({ store }) => {
    await store.addEvent(event(1), new Error("x"), "s");
    await store.addEvent(event(2), new Error("x"), "s");
    assert.equal(await store.removeEvent("event-1"), true);
    assert.equal(await store.removeEvent("event-1"), false);
    assert.deepEqual(await ids(store), ["event-2"]);
  });

  test("says that it has no such event", async ({ store }) => {
    assert.equal(await store.retryEvent("nobody"), false);
    assert.equal(await store.removeEvent("nobody"), false);
  });
}

function testInBroker(test: Register<DeadLetterQueue>): void {
  test("gets what a broker's handlers give up on, and gives it back for another try", async ({ store }) => {
    await using broker = new EventBroker({ deadLetterQueue: store });
    let broken = true;
    const handled: number[] = [];
    broker.subscribe("t", ({ payload }) => {
      if (broken) throw new Error("down");
      handled.push(payload);
    }, { name: "s", maxRetries: 1, retryDelay: 0 });
    const { id } = await broker.publish("t", "x", 7);
    await broker.idle();
    const [entry] = await store.getEvents();
    assert.deepEqual([entry?.event.id, entry?.error, entry?.subscription], [id, "down", "s"]);
    // A failure brings it back.
    assert.equal(await broker.retryDeadLetter(id), true);
    await broker.idle();
    assert.deepEqual(await ids(store), [id]);
    broken = false;
    assert.equal(await broker.retryDeadLetter(id), true);
    await broker.idle();
    assert.deepEqual(handled, [7]);
    assert.deepEqual(await ids(store), []);
    assert.equal(await broker.retryDeadLetter(id), false);
  });
}

function testDurability(test: Register<DeadLetterQueue>): void {
  test("has what was added when it is opened again", async ({ store, reopen }) => {
    assert.ok(reopen, "a queue that claims to be durable is created with `reopen`");
    for (const n of [1, 2, 3]) await store.addEvent(event(n), new Error("x"), "s");
    await store.removeEvent("event-2");
    const opened = await reopen();
    assert.deepEqual(await ids(opened), ["event-1", "event-3"]);
    assert.deepEqual((await opened.getEvents({ limit: 1 }))[0]?.event.metadata, { source: "test" });
  });
}

function testUnique(test: Register<DeadLetterQueue>): void {
  test("keeps an event once for each subscription that gave it up", async ({ store }) => {
    for (const [subscription, error] of [["a", "1"], ["b", "2"], ["a", "3"]] as const) {
      await store.addEvent(event(1), new Error(error), subscription);
    }
    const entries = await store.getEvents();
    assert.deepEqual(
      entries.map(({ subscription, error }) => [subscription, error]).sort(),
      [["a", "3"], ["b", "2"]],
    );
    assert.equal(await store.removeEvent("event-1"), true);
    assert.deepEqual(await store.getEvents(), []);
  });
}
