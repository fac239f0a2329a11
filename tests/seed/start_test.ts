/** The promised snippets that a reader meets first. */
// deno-lint-ignore-file require-await no-console -- the snippets are as users were shown them
/** The first steps of the seed document, as they stand there. */
import assert from "node:assert/strict";
import { EventBroker } from "@env/env-event-stream";
import { defaultBroker } from "@env/env-event-stream";
import { defaultBroker as sharedBroker } from "https://deno.land/x/env_event_stream/mod.ts";
import { printed } from "./helper.ts";

Deno.test("From JSR (JavaScript Registry)", async () => {
  assert.equal(typeof EventBroker, "function");
  await using broker = new EventBroker();
  assert.equal((await broker.publish("t", "x", 1)).seq, 1);
});

Deno.test("Quick Start", async () => {
  const lines = await printed(async () => {
    interface UserCreatedEvent {
      userId: string;
      username: string;
      email: string;
    }

    defaultBroker.subscribe<UserCreatedEvent>("users", async (event) => {
      console.log(`User created: ${event.payload.username}`);
    });

    await defaultBroker.publish<UserCreatedEvent>("users", "user.created", {
      userId: "user-123",
      username: "johndoe",
      email: "john@example.com",
    });

    await defaultBroker.idle();
  });
  assert.deepEqual(lines, [["User created: johndoe"]]);
});

Deno.test("Broker", async () => {
  const broker = new EventBroker();

  assert.ok(sharedBroker instanceof EventBroker);
  assert.equal(sharedBroker, defaultBroker);
  assert.notEqual(broker, defaultBroker);
  await broker.close();
});

Deno.test("Topics", async () => {
  await using broker = new EventBroker();
  const userTopic = broker.createTopic("users", {
    persistent: true,
    retentionPeriod: 86400000,
    maxEvents: 10000,
  });

  assert.deepEqual(
    [userTopic.options.persistent, userTopic.options.retentionPeriod, userTopic.options.maxEvents],
    [true, 86_400_000, 10_000],
  );
  await userTopic.publish("user.created", { timestamped: "long ago" }, { timestamp: 1 });
  await userTopic.publish("user.created", { timestamped: "now" });
  await broker.retain();
  const kept = await broker.getEventStore().getEvents("users");
  // Age counts from when an event was stored, whatever its publisher's clock said.
  assert.deepEqual(kept.map(({ payload }) => payload.timestamped), ["long ago", "now"]);
});

Deno.test("Subscriptions", async () => {
  await using broker = new EventBroker();
  const lines = await printed(async () => {
    const subscription = broker.subscribe(
      "users",
      async (event) => {
        console.log(event.payload);
      },
      {
        name: "user-logger",
        eventTypes: ["user.created", "user.updated"],
        maxRetries: 3,
        retryDelay: 1000,
      },
    );

    await broker.publish("users", "user.created", 1);
    await broker.publish("users", "user.deleted", 2);
    await broker.idle();
    subscription.pause();
    await broker.publish("users", "user.updated", 3);
    await broker.idle();
    console.log("paused");
    subscription.resume();
    await broker.idle();
  });
  assert.deepEqual(lines, [[1], ["paused"], [3]]);
});
