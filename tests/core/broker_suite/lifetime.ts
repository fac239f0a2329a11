/** Subscriptions, streams and batches of every broker, from start to end. */
import assert from "node:assert/strict";
import { ClosedError, deadLetter, OverflowError } from "../../../mod.ts";
import type { Test } from "./suite.ts";

async function take<T>(events: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  if (count === 0) return taken;
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

/** Registers them. */
export function lifetime(test: Test): void {
  test("receives nothing while paused, and all of it after", async ({ broker }) => {
    const seen: unknown[] = [];
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

  test("unsubscribes when the signal aborts, once the handler has ended", async ({ broker }) => {
    const abort = new AbortController();
    const begun = Promise.withResolvers<void>();
    const seen: unknown[] = [];
    const subscription = broker.subscribe("t", async (event, { signal }) => {
      begun.resolve();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      seen.push(event.payload);
    }, { name: "s", signal: abort.signal });
    await broker.publish("t", "x", 1);
    await begun.promise;
    abort.abort();
    await subscription.unsubscribe();
    assert.deepEqual(seen, [1]);
    await broker.publish("t", "x", 2);
    broker.subscribe("t", (event) => void seen.push(event.payload), { name: "s" });
    await broker.idle();
    assert.deepEqual(seen, [1, 2]);
  });

  test("hands nothing to a handler whose signal had aborted before it was subscribed", async ({ broker }) => {
    const seen: unknown[] = [];
    const signal = AbortSignal.abort();
    broker.subscribe("t", (event) => void seen.push(event.payload), { name: "s", signal });
    broker.subscribe("t", (event) => void seen.push(event.payload), { signal });
    await broker.publish("t", "x", 1);
    await broker.idle();
    assert.equal(seen.length, 0);
    // A name waits for whoever comes next, as after any end.
    broker.subscribe("t", (event) => void seen.push(event.payload), { name: "s" });
    await broker.idle();
    assert.deepEqual(seen, [1]);
  });

  test("lets a named subscription go on where it was, and an unnamed one begin at the end", async (subject) => {
    const { broker } = subject;
    const seen: string[] = [];
    await broker.publish("t", "x", "a");
    broker.subscribe("t", (event) => void seen.push(`named ${event.payload}`), { name: "n" });
    broker.subscribe("t", (event) => void seen.push(`unnamed ${event.payload}`));
    await broker.publish("t", "x", "b");
    await broker.idle();
    const again = await subject.reopen();
    await again.publish("t", "x", "c");
    again.subscribe("t", (event) => void seen.push(`named ${event.payload}`), { name: "n" });
    await again.idle();
    assert.deepEqual(seen.sort(), ["named a", "named b", "named c", "unnamed b"]);
  });

  test("gives back what a handler has in hand when the broker is closed, uncounted", async (subject) => {
    const { broker } = subject;
    const begun = Promise.withResolvers<void>();
    broker.subscribe("t", (_, { signal }) => {
      begun.resolve();
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(new Error("interrupted")))
      );
    }, { name: "s", maxRetries: 0 });
    await broker.publish("t", "x", 1);
    await begun.promise;
    const again = await subject.reopen();
    const seen: number[] = [];
    again.subscribe("t", (_, { attempt }) => void seen.push(attempt), { name: "s", maxRetries: 0 });
    await again.idle();
    assert.deepEqual(seen, [1]);
    assert.deepEqual(await again.getDeadLetterQueue().getEvents(), []);
  });

  test("tells when everything up to an event is processed, retries and all", async ({ broker }) => {
    const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
    const order: string[] = [];
    const subscription = broker.subscribe("t", async (event, { attempt }) => {
      if (event.payload === 1 && attempt === 1) throw new Error("once");
      if (event.payload === 1) await gates[1]!.promise;
      order.push(`${event.payload} done`);
      gates[event.payload === 3 ? 3 : 0]!.resolve();
    }, { name: "s", retryDelay: 0, concurrency: 2 });
    await broker.publish("t", "x", 1);
    const second = await broker.publish("t", "x", 2);
    await assert.rejects(
      broker.whenProcessed(second, { signal: AbortSignal.abort(new Error("enough")) }),
      /enough/,
    );
    const processed = subscription.whenProcessed(second).then(() => order.push("processed"));
    await broker.publish("t", "x", 3);
    await gates[3]!.promise;
    while ((await subscription.info()).pending > 0) await Promise.resolve();
    gates[1]!.resolve();
    await processed;
    assert.deepEqual(order, ["2 done", "3 done", "1 done", "processed"]);
    await assert.rejects(subscription.whenProcessed({ topic: "u", seq: 1 }), /is on t, not on u/);
    await broker.whenProcessed({ topic: "nobody-is-here", seq: 9 });
  });

  test("streams what comes, and what was there from an offset on", async ({ broker }) => {
    await broker.publish("orders.eu", "x", 0);
    const live = broker.stream("orders.*");
    await broker.publish("orders.eu", "x", 1);
    await broker.publish("orders.us", "y", 2);
    assert.deepEqual((await take(live, 2)).map(({ payload }) => payload).sort(), [1, 2]);
    const all = await take(broker.stream("orders.eu", { from: "start" }), 2);
    assert.deepEqual(all.map(({ payload, seq }) => [payload, seq]), [[0, 1], [1, 2]]);
    const some = broker.stream("orders.*", {
      from: "start",
      eventTypes: ["y"],
      where: "payload == 2",
    });
    assert.deepEqual((await take(some, 1)).map(({ topic }) => topic), ["orders.us"]);
  });

  test("ends a stream with its signal and with the broker", async ({ broker }) => {
    const abort = new AbortController();
    const stream = broker.stream("t", { signal: abort.signal });
    await broker.publish("t", "x", 1);
    const seen: unknown[] = [];
    for await (const event of stream) {
      seen.push(event.payload);
      abort.abort();
    }
    assert.deepEqual(seen, [1]);
    const other = broker.stream("t");
    await other.ready;
    const end = other.next();
    await broker.close();
    assert.deepEqual(await end, { done: true, value: undefined });
  });

  test("keeps to the overflow that a stream asks for", async ({ broker }) => {
    const publish = async (from: number, to: number) => {
      for (let n = from; n <= to; n++) await broker.publish("t", "x", n);
    };
    const lacking = () => [oldest, newest].some(({ dropped }) => dropped < 3) || fail.dropped < 1;
    const oldest = broker.stream("t", { overflow: "drop-oldest", buffer: 2 });
    const newest = broker.stream("t", { overflow: "drop-newest", buffer: 2 });
    const fail = broker.stream("t", { overflow: "fail", buffer: 2 });
    const wait = broker.stream("t");
    const witness = broker.stream("t", { overflow: "drop-oldest", buffer: 100 });
    await publish(1, 5);
    await take(witness, 5);
    while (lacking()) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.deepEqual((await take(oldest, 2)).map(({ payload }) => payload), [4, 5]);
    assert.deepEqual((await take(newest, 2)).map(({ payload }) => payload), [1, 2]);
    assert.deepEqual((await take(wait, 5)).map(({ payload }) => payload), [1, 2, 3, 4, 5]);
    await assert.rejects(take(fail, 3), OverflowError);
    assert.throws(() => broker.stream("t", { overflow: "no" as "wait" }), /overflow is/);
  });

  test("gathers events into batches, with an outcome for each", async ({ broker }) => {
    const sizes: number[] = [];
    // It waits for longer than it takes to note that ten have begun, where the state is elsewhere.
    broker.subscribeBatch("t", (events) => {
      sizes.push(events.length);
      return events.map((event) => event.payload === 7 ? deadLetter("seven") : undefined);
    }, { name: "s", size: 10, maxWaitMs: 500 });
    await broker.publishBatch(
      "t",
      Array.from({ length: 25 }, (_, n) => ({ type: "x", payload: n })),
    );
    await broker.idle();
    assert.equal(sizes.reduce((a, b) => a + b), 25);
    assert.ok(sizes[0] === 10 && sizes.every((size) => size <= 10), String(sizes));
    const entries = await broker.getDeadLetterQueue().getEvents();
    assert.deepEqual(entries.map(({ event, error }) => [event.payload, error]), [[7, "seven"]]);
  });

  test("lets handlers publish, and is idle when all that follows is done", async ({ broker }) => {
    const seen: number[] = [];
    // The first and the last take their time: then nothing but one handler is at work, first on a,
    // at last on b.
    const aWhile = async () => {
      for (let n = 0; n < 20; n++) await broker.getEventStore().getEvents("a");
    };
    broker.subscribe("b", async (event) => {
      if (event.payload === 5) await aWhile();
      seen.push(event.payload);
      if (event.payload < 5) await broker.publish("a", "x", event.payload);
    });
    broker.subscribe("a", async (event) => {
      if (event.payload === 0) await aWhile();
      await broker.publish("b", "x", event.payload + 1);
    });
    const first = await broker.publish("a", "x", 0);
    await broker.idle();
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
    const [caused] = await broker.getEventStore().getEvents("b");
    assert.equal(caused!.metadata["causationId"], first.id);
  });

  test("refuses everything once it is closed", async ({ broker }) => {
    await broker.close();
    await assert.rejects(broker.publish("t", "x", 1), ClosedError);
    await assert.rejects(broker.publishBatch("t", [{ type: "x", payload: 1 }]), ClosedError);
    assert.throws(() => broker.subscribe("t", () => {}), ClosedError);
    assert.throws(() => broker.stream("t"), ClosedError);
  });
}
