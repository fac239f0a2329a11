/** How every broker publishes. */
import assert from "node:assert/strict";
import {
  type Broker,
  ConflictError,
  type Event,
  EventRefusedError,
  InvalidArgumentError,
  InvalidSchemaError,
  UnsupportedError,
} from "../../../mod.ts";
import type { Test } from "./suite.ts";

const refused = (code: string) => (error: unknown) =>
  error instanceof EventRefusedError && error.code === code;

/** Calls with a misspelt option: what it names, the option, and what is said of it. */
const SLIPS: [what: string, call: (broker: Broker) => unknown, field: string, hint: RegExp][] = [
  [
    "subscribe",
    (broker) => broker.subscribe("t", () => {}, { nmae: "s" } as never),
    "nmae",
    /did you mean name\?/,
  ],
  [
    "subscribeBatch",
    (broker) => broker.subscribeBatch("t", () => {}, { maxWaitMS: 1 } as never),
    "maxWaitMS",
    /maxWaitMs/,
  ],
  ["stream", (broker) => broker.stream("t", { bufer: 3 } as never), "bufer", /buffer/],
  [
    "createTopic",
    (broker) => broker.createTopic("t", { maxEvent: 3 } as never),
    "maxEvent",
    /maxEvents/,
  ],
  [
    "registerSchema",
    (broker) => broker.registerSchema("y", {}, { versoin: "2.0" } as never),
    "versoin",
    /version/,
  ],
  [
    "registerSchema",
    (broker) => broker.registerSchema("y", {}, { compatibility: "ful" } as never),
    "compatibility",
    /^$/,
  ],
  [
    "publishBatch",
    (broker) => broker.publishBatch("t", [{ type: "x", payload: 1 }], { expcted: 7 } as never),
    "expcted",
    /expected/,
  ],
  [
    "publishBatch",
    (broker) =>
      broker.publishBatch("t", [{ type: "x", payload: 1 }], { expected: "nonne" as never }),
    "expected",
    /^$/,
  ],
  [
    "publishBatch",
    (broker) => broker.publishBatch("t", [{ type: "x", payload: 1, expected: 7 } as never]),
    "expected",
    /publishBatch\(topic, events, \{ expected \}\)/,
  ],
  [
    "publishBatch",
    (broker) => broker.publishBatch("t", [{ type: "x", payload: 1, tiemstamp: 7 } as never]),
    "tiemstamp",
    /timestamp/,
  ],
  ["publish", (broker) => broker.publish("t", "x", 1, { expcted: 7 }), "expcted", /expected/],
  [
    "whenProcessed",
    (broker) => broker.whenProcessed({ topic: "t", seq: 1 }, { signl: 1 } as never),
    "signl",
    /signal/,
  ],
];

/** Registers them. */
export function publishing(test: Test): void {
  test("hands what was published to a handler, with its seq, version, key and metadata", async ({ broker }) => {
    const seen: Event[] = [];
    broker.subscribe("users", (event) => void seen.push(event));
    const published = await broker.publish("users", "user.created", { n: 1.5, ä: "ö" }, {
      key: "u1",
      schemaVersion: "2.0",
      timestamp: 1_700_000_000_123,
      correlationId: "c-1",
      metadata: { traceparent: "t" },
    });
    await broker.idle();
    assert.equal(published.seq, 1);
    assert.deepEqual(seen, [published]);
    assert.deepEqual(published.metadata, { traceparent: "t", correlationId: "c-1" });
    const [stored] = await broker.getEventStore().getEvents("users");
    assert.deepEqual(stored, published);
  });

  test("numbers a topic's events in the order of the calls, whoever waits", async ({ broker }) => {
    const published = await Promise.all(
      Array.from({ length: 250 }, (_, n) => broker.publish("t", "x", n)),
    );
    assert.deepEqual(published.map(({ seq }) => seq), Array.from({ length: 250 }, (_, n) => n + 1));
    const events = await broker.getEventStore().getEvents("t");
    assert.deepEqual(
      events.map(({ payload }) => payload),
      Array.from({ length: 250 }, (_, n) => n),
    );
  });

  test("captures a payload when it is published", async ({ broker }) => {
    const payload = { n: 1 };
    const publishing = broker.publish("t", "x", payload);
    payload.n = 2;
    await publishing;
    const [event] = await broker.getEventStore().getEvents("t");
    assert.deepEqual(event!.payload, { n: 1 });
  });

  test("refuses what is not JSON, stores nothing of it, and goes on", async ({ broker }) => {
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
    assert.equal((await broker.publish("t", "x", 1)).seq, 1);
  });

  test("refuses by name and place what JSON says otherwise, also where nothing is stored", async ({ broker }) => {
    broker.createTopic("passing", { persistent: false });
    for (const topic of ["t", "passing"]) {
      for (
        const [part, words] of [
          [new Map(), /\/part\/0 is a Map/],
          [NaN, /\/part\/0 is NaN/],
          [new Date(NaN), /\/part\/0 is an invalid Date/],
          [undefined, /\/part\/0 is undefined/],
          [new Uint8Array(1), /\/part\/0 is a Uint8Array/],
        ] as const
      ) {
        const payload = { part: [part] };
        const refusal = { code: "event/invalid-payload", message: words };
        await assert.rejects(broker.publish(topic, "x", payload), refusal);
        await assert.rejects(broker.publish(topic, "x", payload, { key: "k" }), refusal);
        await assert.rejects(broker.publish(topic, "x", 1, { metadata: payload }), refusal);
        await assert.rejects(broker.publishBatch(topic, [{ type: "x", payload }]), refusal);
      }
    }
  });

  test("delivers a Date as its ISO string, also where nothing is stored", async ({ broker }) => {
    broker.createTopic("passing", { persistent: false });
    const at = new Date("2026-11-29T01:02:03Z");
    const seen: unknown[] = [];
    for (const topic of ["t", "passing"]) {
      const subscription = broker.subscribe(topic, ({ payload }) => void seen.push(payload));
      await subscription.ready;
      await broker.publish(topic, "x", { at });
      await broker.publish(topic, "x", { at }, { metadata: { at } });
      await broker.idle();
    }
    const text = { at: "2026-11-29T01:02:03.000Z" };
    assert.deepEqual(seen, [text, text, text, text]);
  });

  test("refuses an event over a mebibyte, its metadata and names counted, and takes one of it", async ({ broker }) => {
    broker.createTopic("passing", { persistent: false });
    const most = 1024 * 1024;
    const text = (bytes: number) => "x".repeat(bytes);
    const tooLarge = refused("event/too-large");
    for (const topic of ["t", "passing"]) {
      // Two quotes, the type and an id of 36 characters count too.
      await broker.publish(topic, "x", text(most - 39));
      await assert.rejects(broker.publish(topic, "x", text(most - 38)), tooLarge);
      await assert.rejects(broker.publish(topic, "x", [text(most / 4), text(most)]), tooLarge);
      await assert.rejects(broker.publish(topic, "x", "é".repeat(most / 2)), tooLarge);
      const half = { metadata: { m: text(most / 2) } };
      await broker.publish(topic, "x", text(most / 4), half);
      await assert.rejects(broker.publish(topic, "x", text(most / 2), half), tooLarge);
      const batch = [{ type: "x", payload: 1 }, { type: "x", payload: text(most / 2), ...half }];
      await assert.rejects(broker.publishBatch(topic, batch), tooLarge);
    }
    const stored = await broker.getEventStore().getEvents("t");
    assert.equal(stored.length, 2);
  });

  test("stores a given id once, and answers a repeat with the first seq", async ({ broker }) => {
    const first = await broker.publish("t", "x", 1, { id: "a" });
    await broker.publish("t", "x", 2);
    assert.equal((await broker.publish("t", "x", 3, { id: "a" })).seq, first.seq);
    assert.equal((await broker.getEventStore().getEvents("t")).length, 2);
  });

  test("answers a failed expectation with both numbers", async ({ broker }) => {
    await broker.publish("t", "x", 1, { expected: "none" });
    await assert.rejects(broker.publish("t", "x", 2, { expected: 7 }), (error) => {
      assert.ok(error instanceof ConflictError, String(error));
      assert.deepEqual(
        [error.code, error.details!["expected"], error.details!["actual"]],
        ["event/conflict", 7, 1],
      );
      // A daemon says it in the same words.
      assert.equal(
        error.message,
        "t: expected seq 7, but the topic's last seq is 1; nothing was stored",
      );
      assert.match(error.hint!, /the seq that it has now/);
      return true;
    });
    const none = broker.publish("t", "x", 2, { expected: "exists", key: "k" });
    await assert.rejects(
      none,
      /^ConflictError: t: expected exists, but the key's last seq is none/,
    );
    assert.equal((await broker.publish("t", "x", 2, { expected: 1 })).seq, 2);
  });

  test("publishes a batch whole or not at all", async ({ broker }) => {
    const messages = Array.from(
      { length: 150 },
      (_, n) => ({ type: "x", payload: n, id: `id-${n}` }),
    );
    const events = await broker.publishBatch("t", messages, { expected: "none" });
    assert.deepEqual(events.map(({ seq }) => seq), messages.map((_, n) => n + 1));
    assert.deepEqual(events.map(({ schemaVersion }) => schemaVersion), messages.map(() => "1.0"));
    const again = await broker.publishBatch("t", [...messages, { type: "x", payload: 150 }]);
    assert.deepEqual(again.map(({ seq }) => seq), [...messages.map((_, n) => n + 1), 151]);
    await assert.rejects(
      broker.publishBatch("t", [{ type: "x", payload: 1 }, { type: "x", payload: 1n }]),
      refused("event/invalid-payload"),
    );
    await assert.rejects(
      broker.publishBatch("t", messages.slice(0, 1).map((m) => ({ ...m, id: "new" })), {
        expected: 3,
      }),
      ConflictError,
    );
    assert.deepEqual(await broker.publishBatch("t", []), []);
    assert.equal((await broker.getEventStore().getEvents("t")).length, 151);
  });

  test("publishes nothing once the signal has aborted", async ({ broker }) => {
    await assert.rejects(
      broker.publish("t", "x", 1, { signal: AbortSignal.abort(new Error("no")) }),
      /no/,
    );
    assert.deepEqual(await broker.getEventStore().getEvents("t"), []);
  });

  test("checks payloads by the schemas that were registered, and tells the version", async ({ broker }) => {
    const schema = (type: string) => ({
      type: "object",
      required: ["n"],
      properties: { n: { type } },
    });
    assert.deepEqual(await broker.registerSchema("x", schema("string"), { version: "1.0" }), {
      type: "x",
      version: "1.0",
      created: true,
    });
    await broker.registerSchema("x", schema("number"), { version: "2.0" });
    assert.equal((await broker.publish("t", "x", { n: 1 })).schemaVersion, "2.0");
    assert.equal(
      (await broker.publish("t", "x", { n: "1" }, { schemaVersion: "1.0" })).schemaVersion,
      "1.0",
    );
    await assert.rejects(broker.publish("t", "x", { n: "1" }), (error) => {
      assert.ok(error instanceof EventRefusedError, String(error));
      assert.equal(error.code, "event/schema-violation");
      assert.equal((error.details!["faults"] as { pointer: string }[])[0]!.pointer, "/n");
      return true;
    });
    await assert.rejects(broker.registerSchema("y", { type: "nothing" }), InvalidSchemaError);
  });

  test("compares what is expected of a batch with each of its keys", async ({ broker }) => {
    await broker.publish("t", "x", 1, { key: "b" });
    const batch = (...keys: string[]) =>
      keys.map((key) => ({ type: "x", payload: 0, key, id: `${key}-${keys.length}` }));
    await assert.rejects(
      broker.publishBatch("t", batch("a", "b"), { expected: "none" }),
      (error) => {
        assert.ok(error instanceof ConflictError, String(error));
        assert.deepEqual(
          [error.code, error.details!["key"], error.details!["expected"], error.details!["actual"]],
          ["event/conflict", "b", "none", 1],
        );
        assert.equal(
          error.message,
          "t: expected none, but the last seq of the key b is 1; nothing was stored",
        );
        return true;
      },
    );
    await assert.rejects(broker.publishBatch("t", batch("a", "b"), { expected: 1 }), (error) => {
      assert.ok(error instanceof InvalidArgumentError, String(error));
      assert.match(error.message, /seq 1 was expected of events with several keys/);
      return true;
    });
    assert.equal((await broker.publish("t", "x", 2)).seq, 2, "nothing of them was stored");
    const stored = await broker.publishBatch("t", batch("c", "d"), { expected: "none" });
    assert.deepEqual(stored.map(({ seq }) => seq), [3, 4]);
    const again = await broker.publishBatch("t", batch("c", "d"), { expected: "none" });
    assert.deepEqual(again.map(({ seq }) => seq), [3, 4], "known ids come first");
    const mixed = [...batch("c", "d"), { type: "x", payload: 0, key: "e" }];
    await assert.rejects(broker.publishBatch("t", mixed, { expected: "none" }), (error) => {
      assert.ok(error instanceof ConflictError, String(error));
      assert.deepEqual(error.details!["ids"], ["c-2", "d-2"]);
      return true;
    });
    assert.equal((await broker.getEventStore().getEvents("t")).length, 4);
  });

  test("refuses options that nobody reads, and says which is meant", async ({ broker }) => {
    for (const [what, call, field, hint] of SLIPS) {
      await assert.rejects(async () => await call(broker), (error) => {
        assert.ok(error instanceof InvalidArgumentError, `${what}: ${error}`);
        assert.equal(error.details!["field"], field, what);
        assert.match(error.hint ?? "", hint, what);
        return true;
      });
    }
    assert.equal((await broker.publish("t", "x", 1)).seq, 1, "nothing was stored");
    await broker.registerSchema("y", {});
  });

  test("makes a topic with its options, gives the one that is there, and tells one that differs", async ({ broker }) => {
    const topic = broker.createTopic("limited", { maxEvents: 10 });
    await topic.ready;
    assert.equal(topic.options.maxEvents, 10);
    await broker.createTopic("limited", { maxEvents: 10 }).ready;
    await assert.rejects(
      async () => await broker.createTopic("limited", { maxEvents: 11 }).ready,
      (error) => error instanceof ConflictError && error.code === "topic/exists",
    );
    assert.equal((await broker.getTopic("limited"))?.options.maxEvents, 10);
    assert.equal(await broker.getTopic("nobody"), undefined);
    const seen: unknown[] = [];
    topic.subscribe((event) => void seen.push(event.payload));
    await topic.publish("x", 7);
    await broker.idle();
    assert.deepEqual(seen, [7]);
  });

  test("reaches the handlers that are there now where a topic stores nothing", async ({ broker }) => {
    const topic = broker.createTopic("m", { persistent: false });
    await topic.publish("x", "before");
    const seen: Event[] = [];
    topic.subscribe((event, { attempt }) => {
      if (attempt === 1) throw new Error("once");
      seen.push(event);
    }, { retryDelay: 0 });
    const published = await topic.publish("x", "now");
    await broker.idle();
    assert.equal(published.seq, undefined);
    assert.deepEqual(seen, [published]);
    assert.deepEqual(await broker.getEventStore().getEvents("m"), []);
    await assert.rejects(topic.publish("x", 1, { expected: "none" }), UnsupportedError);
    await assert.rejects(broker.whenProcessed(published), UnsupportedError);
  });
}
