/**
 * How to test an application like this: first its aggregates alone, then the whole of it on a
 * broker in memory.
 */
import assert from "node:assert/strict";
import { spec, TestBroker } from "@env/env-event-stream/testing";
import type { Line, Shop } from "./events.ts";
import { strictLine, tolerantLine } from "./inventory.ts";
import { Order } from "./order.ts";
import { OrderService } from "./shop.ts";
import { OutOfStock, Stock } from "./stock.ts";

const line = { product: "book", quantity: 2 };
const placed = { type: "order.placed", payload: line };

Deno.test("Order is placed once, and confirmed once", () => {
  spec(Order).given([]).when((order) => order.place(line)).then([placed]);
  spec(Order).given([placed]).when((order) => order.place(line)).throws(/placed already/);
  spec(Order).given([placed]).when((order) => order.confirm(line))
    .then([{ type: "order.confirmed", payload: line }]);
  spec(Order).given([placed, { type: "order.confirmed", payload: line }])
    .when((order) => order.reject("too late")).then([]);
});

Deno.test("Stock puts aside what is there, once for each order", () => {
  const received = { type: "stock.received", payload: { count: 3 } };
  const reserved = { type: "stock.reserved", payload: { order: "a", count: 2 } };
  spec(Stock).given([received]).when((stock) => stock.reserve("a", 2)).then([reserved]);
  spec(Stock).given([received, reserved]).when((stock) => stock.reserve("a", 2)).then([]);
  spec(Stock).given([received, reserved]).when((stock) => stock.reserve("b", 2)).throws(OutOfStock);
});

Deno.test("strictLine refuses what the fixed reader takes", () => {
  const word = { product: "book", quantity: "two" } as unknown as Line;
  assert.throws(() => strictLine(word), /"two" is not a quantity/);
  assert.equal(tolerantLine(word).quantity, 2);
  for (const quantity of [0, -1, 1.5, "many"]) {
    assert.throws(() => tolerantLine({ product: "book", quantity } as Line));
  }
});

Deno.test("OrderService confirms what is in stock and rejects the rest", async () => {
  await using broker = new TestBroker<Shop>();
  const shop = new OrderService(broker);
  await shop.start();
  await shop.inventory.stock.update("book", (stock) => stock.receive(5));
  await Promise.all(["a", "b", "c"].map((id) => shop.place(id, line)));
  await broker.waitForProcessing();
  const states = await Promise.all(["a", "b", "c"].map((id) => shop.order(id)));
  assert.deepEqual(states.map((state) => state?.status), ["confirmed", "confirmed", "rejected"]);
  assert.equal(shop.sales.of("book"), 4);
  await assert.rejects(shop.place("a", line), /placed already/);
});

Deno.test("OrderService keeps an order that it cannot read until it is fixed", async () => {
  await using broker = new TestBroker<Shop>();
  const shop = new OrderService(broker);
  await shop.start();
  await shop.inventory.stock.update("book", (stock) => stock.receive(5));
  const poison = { product: "book", quantity: "two" } as unknown as Line;
  const { id } = await broker.publish("orders", "order.placed", poison, { key: "till" });
  await shop.place("a", line);
  await broker.waitForProcessing();
  assert.equal((await shop.order("a"))?.status, "confirmed");
  assert.equal((await shop.order("till"))?.status, "placed");
  const dead = await broker.getDeadLetterQueue().getEvents();
  assert.deepEqual(dead.map(({ event, attempts }) => [event.id, attempts]), [[id, 1]]);
  shop.inventory.replaceReader(tolerantLine);
  await broker.retryDeadLetter(id);
  await broker.waitForProcessing();
  assert.equal((await shop.order("till"))?.status, "confirmed");
  assert.deepEqual(await broker.getDeadLetterQueue().getEvents(), []);
});
