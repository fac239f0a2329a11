/** How every broker publishes to several topics, all or none. */
import assert from "node:assert/strict";
import {
  type AddressedMessage,
  type Broker,
  type Event,
  EvsError,
  InvalidArgumentError,
} from "../../../mod.ts";
import type { Test } from "./suite.ts";

const message = (topic: string, more: Partial<AddressedMessage> = {}): AddressedMessage => ({
  topic,
  type: "x",
  payload: 1,
  ...more,
});

async function counts(broker: Broker, ...topics: string[]): Promise<number[]> {
  const store = broker.getEventStore();
  const events = await Promise.all(topics.map((topic) => store.getEvents(topic)));
  return events.map(({ length }) => length);
}

const seqs = (events: readonly Event[]) => events.map(({ topic, seq }) => `${topic} ${seq}`);

/** Rejects with an error that names this event. */
async function assertRefused(
  publish: Promise<unknown>,
  expected: { code: string; element?: number; message?: RegExp },
): Promise<void> {
  await assert.rejects(publish, (error) => {
    assert.ok(error instanceof EvsError, String(error));
    assert.deepEqual(
      [error.code, error.details?.["element"]],
      [expected.code, expected.element],
      String(error),
    );
    assert.match(error.message, expected.message ?? /nothing was stored$/);
    return true;
  });
}

/** Registers these tests. */
export function publishingAll(test: Test): void {
  test("publishes to several topics at once, in order within each, and delivers it", async ({ broker }) => {
    const seen: Event[] = [];
    const subscription = broker.subscribe("*", (event) => void seen.push(event));
    await subscription.ready;
    await broker.publish("a", "before", 0);
    const all = broker.publishAll([
      message("a", { type: "first", payload: { n: 1 }, key: "k", metadata: { m: 1 } }),
      message("b", { id: "own" }),
      message("a", { type: "second", schemaVersion: "7", timestamp: 5 }),
    ]);
    const after = broker.publish("b", "after", 2);
    const events = await all;
    assert.deepEqual(seqs(events), ["a 2", "b 1", "a 3"]);
    assert.equal((await after).seq, 2);
    assert.deepEqual(
      events.map(({ type, payload, key, id }) => [type, payload, key, id === "own"]),
      [["first", { n: 1 }, "k", false], ["x", 1, undefined, true], ["second", 1, undefined, false]],
    );
    assert.deepEqual([events[0]!.metadata["m"], events[2]!.schemaVersion], [1, "7"]);
    await broker.idle();
    assert.deepEqual(seqs(seen).sort(), ["a 1", "a 2", "a 3", "b 1", "b 2"]);
    assert.deepEqual(await broker.publishAll([]), []);
  });

  test("stores none of several events when one has another expectation, and names it", async ({ broker }) => {
    await broker.publish("a", "x", 0, { key: "k" });
    const publish = (...messages: AddressedMessage[]) => broker.publishAll(messages);
    await assertRefused(publish(message("b"), message("a", { expected: "none" })), {
      code: "event/conflict",
      element: 2,
      message: /^element 2: a: expected none, but the topic's last seq is 1; nothing was stored$/,
    });
    await assertRefused(
      publish(message("a", { key: "k", expected: { topic: 1, key: "none" } }), message("b")),
      { code: "event/conflict", element: 1, message: /the last seq of the key k is 1/ },
    );
    const events = await publish(
      message("a", { key: "k", expected: { topic: 1, key: 1 } }),
      message("b", { expected: "none" }),
      message("a", { key: "k", expected: 1 }),
      message("b", { key: "new", expected: 0 }),
      message("b", { expected: "any" }),
    );
    assert.deepEqual(seqs(events), ["a 2", "b 1", "a 3", "b 2", "b 3"]);
    assert.deepEqual(await counts(broker, "a", "b"), [3, 3]);
  });

  test("answers several events that come again with their first seqs", async ({ broker }) => {
    const messages = [
      message("a", { id: "1", expected: "none" }),
      message("b", { id: "2" }),
    ];
    await broker.publishAll(messages);
    assert.deepEqual(seqs(await broker.publishAll(messages)), ["a 1", "b 1"]);
    const mixed = [message("a", { id: "1", expected: 1 }), message("b", { id: "3" })];
    await assertRefused(broker.publishAll(mixed), { code: "event/conflict" });
    const { expected: _, ...free } = mixed[0]!;
    assert.deepEqual(seqs(await broker.publishAll([free, mixed[1]!])), ["a 1", "b 2"]);
    assert.deepEqual(await counts(broker, "a", "b"), [1, 2]);
  });

  test("refuses several events because of one of them, and names it", async ({ broker }) => {
    await broker.registerSchema("checked", { type: "string" });
    const refusals: [AddressedMessage, string][] = [
      [message("b", { type: "checked" }), "event/schema-violation"],
      [message("b", { payload: 1n }), "event/invalid-payload"],
      [message("b", { payload: "x".repeat(1024 * 1024) }), "event/too-large"],
      [message("no topic"), "topic/invalid-name"],
      [message("b", { id: "no id" }), "event/invalid-envelope"],
      [message("b", { expected: { key: 1 } }), "event/invalid-envelope"],
      [message("b", { expected: "nonne" as never }), "argument/invalid"],
      [message("b", { expected: { topics: 1 } as never }), "argument/invalid"],
      [message("b", { signal: AbortSignal.abort() } as never), "argument/invalid"],
    ];
    for (const [refused, code] of refusals) {
      await assertRefused(broker.publishAll([message("a"), refused]), { code, element: 2 });
    }
    const many = Array.from({ length: 10_001 }, () => message("a"));
    await assertRefused(broker.publishAll(many), {
      code: "argument/too-large",
      element: 10_001,
    });
    await assert.rejects(
      broker.publishAll([message("a")], { signal: AbortSignal.abort(new Error("no")) }),
      /no/,
    );
    await assert.rejects(broker.publishAll([], { expected: 1 } as never), InvalidArgumentError);
    assert.deepEqual(await counts(broker, "a", "b"), [0, 0]);
  });

  test("refuses to publish to a topic that stores nothing together with others", async ({ broker }) => {
    broker.createTopic("passing", { persistent: false });
    await assertRefused(broker.publishAll([message("a"), message("passing")]), {
      code: "store/not-atomic",
      message: /^passing stores nothing: .*; nothing was stored$/,
    });
    assert.deepEqual(await counts(broker, "a"), [0]);
  });
}
