/** How every broker delivers events to handlers, and what happens to those that fail. */
import assert from "node:assert/strict";
import {
  deadLetter,
  HandlerTimeoutError,
  NonRetryableError,
  reliable,
  retry,
  skip,
} from "../../../mod.ts";
import type { Test } from "./suite.ts";

/** Registers them. */
export function delivery(test: Test): void {
  test("matches patterns, topics to come among them", async ({ broker }) => {
    await broker.publish("orders.eu", "x", 0);
    const seen: string[] = [];
    broker.subscribe("orders.*", (event) => void seen.push(`${event.topic} ${event.payload}`));
    await broker.publish("orders.eu", "x", 1);
    await broker.publish("orders.us", "x", 2);
    await broker.publish("users", "x", 3);
    await broker.idle();
    assert.deepEqual(seen.sort(), ["orders.eu 1", "orders.us 2"]);
  });

  test("delivers only the types and matches that were asked for", async ({ broker }) => {
    const seen: unknown[] = [];
    const subscription = broker.subscribe("t", (event) => void seen.push(event.payload.n), {
      name: "s",
      eventTypes: ["a"],
      where: "payload.n > 1",
    });
    for (let n = 0; n < 5; n++) await broker.publish("t", n % 2 ? "b" : "a", { n });
    await broker.idle();
    assert.deepEqual(seen, [2, 4]);
    assert.equal((await subscription.info()).pending, 0);
  });

  test("retries a handler, keeps others going, and dead-letters with every attempt", async ({ broker }) => {
    const attempts: number[] = [];
    const good: unknown[] = [];
    broker.subscribe("t", (event, { attempt, subscription, maxRetries }) => {
      assert.deepEqual([subscription, maxRetries], ["bad", 2]);
      if (event.payload !== 1) return;
      attempts.push(attempt);
      throw new Error(`no ${attempt}`);
    }, { name: "bad", maxRetries: 2, retryDelay: 0 });
    broker.subscribe("t", (event) => void good.push(event.payload), { name: "good" });
    const { id } = await broker.publish("t", "x", 1);
    await broker.publish("t", "x", 2);
    await broker.idle();
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.deepEqual(good, [1, 2]);
    const entries = await broker.getDeadLetterQueue().getEvents({ topic: "t" });
    assert.deepEqual(
      entries.map((
        { event, error, subscription, attempts },
      ) => [event.id, error, subscription, attempts]),
      [[id, "no 3", "bad", 3]],
    );
  });

  test("waits what retryDelay tells from the attempt", async ({ broker }) => {
    const asked: number[] = [];
    broker.subscribe("t", () => Promise.reject(new Error("no")), {
      maxRetries: 2,
      retryDelay: (attempt) => (asked.push(attempt), 0),
    });
    await broker.publish("t", "x", 1);
    await broker.idle();
    assert.deepEqual(asked, [1, 2, 3]);
  });

  test("does what a handler's outcome says", async ({ broker }) => {
    const seen: string[] = [];
    broker.subscribe("t", (event, { attempt }) => {
      seen.push(`${event.payload} ${attempt}`);
      if (event.payload === "retry" && attempt === 1) return retry({ afterMs: 0 });
      if (event.payload === "dead") return deadLetter("hopeless");
      if (event.payload === "skip") return skip("not mine");
      if (event.payload === "never") throw new NonRetryableError("never");
    }, { name: "s", retryDelay: 60_000 });
    for (const payload of ["retry", "dead", "skip", "never"]) {
      await broker.publish("t", "x", payload);
    }
    await broker.idle();
    assert.deepEqual(seen.sort(), ["dead 1", "never 1", "retry 1", "retry 2", "skip 1"]);
    const entries = await broker.getDeadLetterQueue().getEvents();
    assert.deepEqual(entries.map(({ error }) => error).sort(), ["hopeless", "never"]);
  });

  test("fails a handler that takes too long, aborts its signal, and loses nothing", async ({ broker }) => {
    const reasons: unknown[] = [];
    broker.subscribe(
      "t",
      (_, { signal }) =>
        new Promise(() => signal.addEventListener("abort", () => reasons.push(signal.reason))),
      {
        name: "s",
        maxRetries: 1,
        retryDelay: 0,
        timeoutMs: 20,
      },
    );
    const { id } = await broker.publish("t", "x", 1);
    await broker.idle();
    assert.deepEqual(reasons.map((reason) => (reason as HandlerTimeoutError).code), [
      "handler/timed-out",
      "handler/timed-out",
    ]);
    const [entry] = await broker.getDeadLetterQueue().getEvents();
    assert.equal(entry!.event.id, id);
    assert.match(entry!.error, /did not end within 20 ms/);
  });

  test("runs middleware in the order of reliable()", async ({ broker }) => {
    const calls: string[] = [];
    broker.subscribe("t", (event, { attempt }) => {
      calls.push(`${event.payload} ${attempt}`);
      if (event.payload === "ok") return;
      if (event.payload === "slow") return new Promise(() => {});
      throw event.payload === "hopeless" ? new NonRetryableError("hopeless") : new Error("down");
    }, {
      name: "s",
      maxRetries: 1,
      retryDelay: 60_000,
      middleware: reliable({
        timeout: 20,
        retry: { delay: 0 },
        dedup: { key: ({ payload }) => payload },
      }),
    });
    for (const payload of ["ok", "ok", "down", "hopeless", "slow"]) {
      await broker.publish("t", "x", payload);
    }
    await broker.idle();
    assert.deepEqual(calls.sort(), ["down 1", "down 2", "hopeless 1", "ok 1", "slow 1", "slow 2"]);
    const entries = await broker.getDeadLetterQueue().getEvents();
    assert.deepEqual(entries.map(({ event }) => event.payload).sort(), [
      "down",
      "hopeless",
      "slow",
    ]);
  });

  test("delivers a dead letter again when it is asked to, and takes it out when that succeeds", async ({ broker }) => {
    let broken = true;
    const seen: unknown[] = [];
    broker.subscribe("t", (event) => {
      if (broken) throw new Error("down");
      seen.push(event.payload);
    }, { name: "s", maxRetries: 0 });
    const { id } = await broker.publish("t", "x", 7);
    await broker.idle();
    const queue = broker.getDeadLetterQueue();
    assert.equal(await queue.retryEvent(id), true);
    await broker.idle();
    assert.deepEqual((await queue.getEvents()).map(({ attempts }) => attempts), [2]);
    broken = false;
    assert.equal(await broker.retryDeadLetter(id), true);
    await broker.idle();
    assert.deepEqual(seen, [7]);
    assert.deepEqual(await queue.getEvents(), []);
    assert.equal(await broker.retryDeadLetter(id), false);
    assert.equal(await queue.removeEvent("nobody"), false);
  });

  test("takes and removes a dead letter of the application's own", async ({ broker }) => {
    broker.subscribe("t", () => {}, { name: "s" });
    const event = await broker.publish("t", "x", { n: 1 });
    await broker.idle();
    const queue = broker.getDeadLetterQueue();
    await queue.addEvent(event, new Error("by hand"), "s");
    const [entry] = await queue.getEvents({ topic: "t", eventType: "x", limit: 1 });
    assert.deepEqual([entry!.event, entry!.error, entry!.subscription], [event, "by hand", "s"]);
    assert.equal(await queue.removeEvent(event.id), true);
    assert.deepEqual(await queue.getEvents(), []);
  });

  test("handles one event at a time in order, and the events of a key in order when there are more", async ({ broker }) => {
    let running = 0;
    let most = 0;
    const order: unknown[] = [];
    const byKey = new Map<string, number[]>();
    broker.subscribe("t", async (event) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      order.push(event.payload);
      running--;
    }, { name: "one" });
    broker.subscribe("t", async (event) => {
      await Promise.resolve();
      byKey.set(event.key!, [...byKey.get(event.key!) ?? [], event.payload]);
    }, { name: "many", concurrency: 8 });
    await Promise.all(
      Array.from({ length: 120 }, (_, n) => broker.publish("t", "x", n, { key: `k${n % 7}` })),
    );
    await broker.idle();
    assert.equal(most, 1);
    for (const [, numbers] of byKey) assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
    assert.equal([...byKey.values()].flat().length, 120);
    assert.deepEqual(
      [...order].sort((a, b) => Number(a) - Number(b)),
      Array.from({ length: 120 }, (_, n) => n),
    );
  });
}
