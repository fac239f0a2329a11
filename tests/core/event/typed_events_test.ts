/**
 * Events typed by a map: what compiles, what does not, and that it runs. `deno check` verifies the
 * `@ts-expect-error` comments.
 */
import assert from "node:assert/strict";
import {
  type Broker,
  EventBroker,
  type EventOf,
  type FromSchema,
  type Matches,
  type Matching,
} from "../../../mod.ts";
import { TestBroker } from "../../../testing.ts";

const reserved = {
  type: "object",
  required: ["sku", "count"],
  properties: {
    sku: { type: "string" },
    count: { type: "integer" },
    note: { type: ["string", "null"] },
    lines: { type: "array", items: { enum: ["a", "b"] } },
    where: {
      anyOf: [{ const: "shelf" }, { type: "object", properties: { x: { type: "number" } } }],
    },
  },
} as const;

interface Events {
  "orders.eu": {
    "order.placed": { total: number };
    "order.cancelled": { reason: string };
  };
  "orders.us.west": { "order.shipped": { parcel: string } };
  inventory: { "inventory.reserved": FromSchema<typeof reserved> };
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
const is = <_T extends true>() => {};

Deno.test("EventBroker<Events> checks topics, types and payloads when publishing", async () => {
  await using broker = new EventBroker<Events>();
  const placed = await broker.publish("orders.eu", "order.placed", { total: 7 });
  is<Same<typeof placed.payload, { total: number }>>();
  is<Same<typeof placed.type, "order.placed">>();
  is<Same<typeof placed.topic, "orders.eu">>();
  assert.equal(placed.payload.total, 7);
  const wrong = () => {
    // @ts-expect-error -- no such topic
    broker.publish("orders", "order.placed", { total: 7 });
    // @ts-expect-error -- no such type on this topic
    broker.publish("orders.eu", "order.shipped", { parcel: "p" });
    // @ts-expect-error -- another payload
    broker.publish("orders.eu", "order.placed", { total: "7" });
    // @ts-expect-error -- a member that is missing
    broker.publish("inventory", "inventory.reserved", { sku: "a" });
    // @ts-expect-error -- a batch is checked event by event
    broker.publishBatch("orders.eu", [{ type: "order.placed", payload: { reason: "r" } }]);
    broker.publishAll([
      { topic: "orders.eu", type: "order.placed", payload: { total: 1 } },
      // @ts-expect-error -- events for several topics are checked by their topics
      { topic: "orders.eu", type: "order.placed", payload: { reason: "r" } },
    ]);
    // @ts-expect-error -- a topic's handle is checked as well
    broker.createTopic("orders.eu").publish("order.placed", { reason: "r" });
  };
  assert.equal(typeof wrong, "function");
  await broker.createTopic("orders.eu").publish("order.cancelled", { reason: "r" });
  const [one] = await broker.publishBatch("orders.eu", [
    { type: "order.placed", payload: { total: 1 } },
    { type: "order.cancelled", payload: { reason: "r" } },
  ]);
  assert.equal(one!.seq, 3);
});

Deno.test("EventBroker<Events> gives handlers a union that narrows by type", async () => {
  await using broker = new EventBroker<Events>();
  const seen: unknown[] = [];
  broker.subscribe("orders.eu", (event) => {
    switch (event.type) {
      case "order.placed":
        is<Same<typeof event.payload, { total: number }>>();
        seen.push(event.payload.total);
        break;
      case "order.cancelled":
        is<Same<typeof event.payload, { reason: string }>>();
        seen.push(event.payload.reason);
        break;
      default:
        is<Same<typeof event, never>>();
    }
    // @ts-expect-error -- before it is narrowed, only what all have in common
    void event.payload.total;
  });
  broker.subscribe("orders.eu", (event) => {
    is<Same<typeof event.payload, { total: number }>>();
  }, { eventTypes: ["order.placed"] });
  broker.createTopic("inventory").subscribe((event) => {
    is<Same<typeof event.payload.count, number>>();
  });
  const wrong = () => {
    // @ts-expect-error -- no such topic
    broker.subscribe("orders", () => {});
    // @ts-expect-error -- no such type on this topic
    broker.subscribe("orders.eu", () => {}, { eventTypes: ["order.shipped"] });
    // @ts-expect-error -- no such payload
    broker.subscribe("inventory", (event) => event.payload.total);
  };
  assert.equal(typeof wrong, "function");
  await broker.publish("orders.eu", "order.placed", { total: 7 });
  await broker.publish("orders.eu", "order.cancelled", { reason: "no" });
  await broker.idle();
  assert.deepEqual(seen, [7, "no"]);
});

Deno.test("EventBroker<Events> knows what a pattern matches, and what a stream and a batch give", async () => {
  is<Same<Matching<Events, "orders.*">, "orders.eu">>();
  is<Same<Matching<Events, "orders.**">, "orders.eu" | "orders.us.west">>();
  is<Same<Matching<Events, "**">, keyof Events>>();
  is<Same<Matching<Events, "**.west">, "orders.us.west">>();
  is<Same<Matching<Events, "*">, "inventory">>();
  is<Same<Matching<Events, "nobody.*">, never>>();
  is<Same<Matches<"a.*.c", "a.b.c">, true>>();
  is<Same<Matches<"a.*.c", "a.b.b.c">, false>>();
  is<Same<Matches<"a.**.c", "a.b.b.c">, true>>();
  is<Same<Matches<"a.**", "a">, false>>();
  await using broker = new EventBroker<Events>();
  const types: string[] = [];
  broker.subscribe("orders.**", (event) => {
    is<Same<typeof event.type, "order.placed" | "order.cancelled" | "order.shipped">>();
    if (event.topic === "orders.us.west") types.push(event.payload.parcel);
  });
  broker.subscribeBatch("orders.eu", (events) => {
    for (const event of events) {
      if (event.type === "order.placed") types.push(`${event.payload.total}`);
    }
  });
  const stream = broker.stream("orders.*");
  await broker.publish("orders.us.west", "order.shipped", { parcel: "p" });
  await broker.publish("orders.eu", "order.placed", { total: 7 });
  for await (const event of stream) {
    is<Same<typeof event, EventOf<Events, "orders.eu">>>();
    if (event.type === "order.placed") assert.equal(event.payload.total, 7);
    break;
  }
  await broker.idle();
  assert.deepEqual(types.sort(), ["7", "p"]);
});

Deno.test("EventBroker without a map takes every topic, type and payload, and payload types by hand", async () => {
  await using broker = new TestBroker();
  const names: string[] = [];
  broker.subscribe<{ username: string }>("users", (event) => {
    is<Same<typeof event.payload, { username: string }>>();
    names.push(event.payload.username);
  });
  broker.subscribe("users", (event) => void names.push(event.payload.anything ?? "-"));
  const event = await broker.publish<{ username: string }>("users", "user.created", {
    username: "first",
  });
  is<Same<typeof event.payload, { username: string }>>();
  await broker.waitForProcessing();
  assert.deepEqual(names, ["first", "-"]);
});

Deno.test("Broker with a map goes where any broker goes, and the other way round", async () => {
  const publish = (broker: Broker) => broker.publish("anything", "x", 1);
  const place = (broker: Broker<Events>) =>
    broker.publish("orders.eu", "order.placed", { total: 1 });
  await using typed = new EventBroker<Events>();
  await using free = new EventBroker();
  await using test = new TestBroker<Events>();
  await publish(typed);
  await place(free);
  await place(test);
  assert.equal(test.getPublishedEvents("orders.eu").length, 1);
});

Deno.test("FromSchema gives the type of what a schema takes", () => {
  type Reserved = FromSchema<typeof reserved>;
  is<Same<Reserved["sku"], string>>();
  is<Same<Reserved["note"], string | null | undefined>>();
  is<Same<Reserved["lines"], ("a" | "b")[] | undefined>>();
  const value: Reserved = { sku: "a", count: 1, where: "shelf", note: null };
  // @ts-expect-error -- not one of the two
  const other: Reserved = { sku: "a", count: 1, where: "table" };
  // @ts-expect-error -- required
  const less: Reserved = { sku: "a" };
  is<Same<FromSchema<true>, unknown>>();
  is<Same<FromSchema<{ readonly type: "array" }>, unknown[]>>();
  is<
    Same<
      FromSchema<
        { readonly type: "object"; readonly additionalProperties: { readonly type: "number" } }
      >,
      Record<string, number>
    >
  >();
  is<Same<FromSchema<{ readonly $ref: "#/x" }>, unknown>>();
  type Both = FromSchema<{
    readonly allOf: readonly [
      {
        readonly type: "object";
        readonly required: readonly ["a"];
        readonly properties: { readonly a: { readonly type: "string" } };
      },
      {
        readonly type: "object";
        readonly required: readonly ["b"];
        readonly properties: { readonly b: { readonly type: "number" } };
      },
    ];
  }>;
  const both: Both = { a: "a", b: 1 };
  type Pair = FromSchema<
    {
      readonly type: "array";
      readonly prefixItems: readonly [{ readonly type: "string" }, { readonly type: "number" }];
      readonly items: false;
    }
  >;
  const pair: Pair = ["a", 1];
  // @ts-expect-error -- the other way round
  const riap: Pair = [1, "a"];
  assert.deepEqual([value.sku, other.sku, less.sku, both.b, pair[1], riap.length], [
    "a",
    "a",
    "a",
    1,
    1,
    2,
  ]);
});

Deno.test("a delivered payload is typed as JSON says it: a Date is a text", async () => {
  interface Dated {
    orders: { "order.placed": { at: Date; lines: { due: Date | null; n: number }[] } };
  }
  await using broker = new EventBroker<Dated>();
  const seen: string[] = [];
  broker.subscribe("orders", (event) => {
    const { at, lines } = event.payload;
    seen.push(at.slice(0, 10), lines[0]!.due?.slice(0, 4) ?? "none");
    // @ts-expect-error -- it is no Date any more
    assert.equal(at.getTime, undefined);
  });
  const at = new Date("2026-11-29T00:00:00Z");
  await broker.publish("orders", "order.placed", { at, lines: [{ due: at, n: 1 }] });
  await broker.idle();
  assert.deepEqual(seen, ["2026-11-29", "2026"]);
});
