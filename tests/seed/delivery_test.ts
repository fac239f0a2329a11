/** The promised snippets about handlers, retries and dead letters. */
// deno-lint-ignore-file require-await -- the snippets are as users were shown them
/** The seed document's ways of handling many events, failing ones, and events in tests. */
import assert from "node:assert/strict";
import { type Event, EventBroker } from "@env/env-event-stream";
import { FileDeadLetterQueue } from "https://deno.land/x/env_event_stream/mod.ts";
import { TestBroker } from "https://deno.land/x/env_event_stream/testing.ts";
import { inFolder } from "./helper.ts";

const assertEquals: (actual: unknown, expected: unknown) => void = assert.deepEqual;

Deno.test("Dead Letter Queue", async () => {
  await inFolder(async () => {
    const deadLetterQueue = new FileDeadLetterQueue("./dead_letter_queue");
    await using broker = new TestBroker({ deadLetterQueue });
    let broken = true;
    const welcomed: string[] = [];
    broker.subscribe("users", ({ payload }) => {
      if (broken) throw new Error("the mail server is down");
      welcomed.push(payload.username);
    }, { name: "welcome", maxRetries: 1 });
    for (const username of ["first", "second"]) {
      await broker.publish("users", "user.created", { username });
    }
    await broker.waitForProcessing();
    broken = false;

    const failedEvents = await deadLetterQueue.getEvents({
      topic: "users",
      limit: 10,
    });
    assert.deepEqual(failedEvents.map(({ error, attempts }) => [error, attempts]), [
      ["the mail server is down", 2],
      ["the mail server is down", 2],
    ]);

    for (const entry of failedEvents) {
      await deadLetterQueue.retryEvent(entry.event.id);
    }

    await broker.waitForProcessing();
    assert.deepEqual(welcomed.sort(), ["first", "second"]);
    assert.deepEqual(await deadLetterQueue.getEvents(), []);
  });
});

Deno.test("High Throughput Settings", async () => {
  const batches: number[] = [];
  const processBatchInParallel = async (events: Event[]) => void batches.push(events.length);
  let timer: ReturnType<typeof globalThis.setInterval> | undefined;
  const setInterval = (work: () => Promise<void>, ms: number) => {
    timer = globalThis.setInterval(work, ms);
  };

  const broker = new EventBroker();

  const inMemoryStore = broker.getEventStore();

  const highThroughputTopic = broker.createTopic("metrics", {
    persistent: false,
    maxEvents: 0,
  });

  let batch: Event[] = [];
  const BATCH_SIZE = 1000;

  highThroughputTopic.subscribe(async (event) => {
    batch.push(event);

    if (batch.length >= BATCH_SIZE) {
      await processBatchInParallel(batch);
      batch = [];
    }
  });

  setInterval(async () => {
    if (batch.length > 0) {
      await processBatchInParallel(batch);
      batch = [];
    }
  }, 5000);

  for (let n = 0; n < 2500; n++) await broker.publish("metrics", "cpu", { n });
  await broker.idle();
  clearInterval(timer);
  assert.deepEqual([batches, batch.length], [[1000, 1000], 500]);
  assert.deepEqual(batch.at(-1)?.payload, { n: 2499 });
  assert.deepEqual(await inMemoryStore.getEvents("metrics"), []);
  await broker.close();
});

/** Stands for the code under test of the snippet: takes orders in and reserves what they need. */
class OrderService {
  constructor(broker: TestBroker) {
    broker.subscribe("orders", async ({ payload }) => {
      await broker.publish("inventory", "inventory.reserved", payload.items);
    });
  }
}

Deno.test("Testing: Order Processing", async () => {
  const testBroker = new TestBroker();

  const orderService = new OrderService(testBroker);

  await testBroker.publish("orders", "order.created", {
    orderId: "test-123",
    items: [{ productId: "p1", quantity: 2 }],
  });

  await testBroker.waitForProcessing();

  const publishedEvents = testBroker.getPublishedEvents("inventory");
  assertEquals(publishedEvents.length, 1);
  assertEquals(publishedEvents[0]!.type, "inventory.reserved");
  assert.ok(orderService);
  await testBroker.close();
});

Deno.test("Error Handling Strategies", async () => {
  const waits: number[] = [];
  class Busy extends Error {}
  const attempts = new Map<string, number>();
  const processOrder = async (order: { orderId: string }) => {
    const attempt = (attempts.get(order.orderId) ?? 0) + 1;
    attempts.set(order.orderId, attempt);
    if (order.orderId === "transient" && attempt < 3) throw new Busy("try again");
    if (order.orderId === "permanent") throw new Error("no such product");
  };
  const isTransientError = (error: unknown) => error instanceof Busy;
  // A thousandth of what the snippet waits.
  const unit = (ms: number) => {
    waits.push(ms);
    return ms / 1000;
  };
  await using broker = new EventBroker();

  broker.subscribe(
    "orders",
    async (event) => {
      if (event.type === "order.processingFailed") return;
      try {
        await processOrder(event.payload);
      } catch (error) {
        if (isTransientError(error)) {
          throw error;
        } else {
          await broker.publish("orders", "order.processingFailed", {
            orderId: event.payload.orderId,
            error: (error as Error).message,
          });
        }
      }
    },
    {
      maxRetries: 5,
      retryDelay: (attempt) => unit(1000 * Math.pow(2, attempt)),
    },
  );

  for (const orderId of ["transient", "permanent", "fine"]) {
    await broker.publish("orders", "order.placed", { orderId });
  }
  await broker.idle();
  assert.deepEqual(Object.fromEntries(attempts), { transient: 3, permanent: 1, fine: 1 });
  assert.deepEqual(waits, [2000, 4000]);
  const failed = await broker.getEventStore().getEvents("orders", {
    eventTypes: ["order.processingFailed"],
  });
  assert.deepEqual(failed.map(({ payload }) => payload), [
    { orderId: "permanent", error: "no such product" },
  ]);
  assert.deepEqual(await broker.getDeadLetterQueue().getEvents(), []);
});
