/** The seed document's schemas: checked on publish, and changed over time. */
import assert from "node:assert/strict";
import { EventBroker, EventRefusedError, MemoryEventStore } from "@env/env-event-stream";
import { JsonSchemaRegistry } from "https://deno.land/x/env_event_stream/mod.ts";

Deno.test("Event Schema Validation", async () => {
  await using broker = new EventBroker();
  const schemaRegistry = new JsonSchemaRegistry();

  schemaRegistry.registerSchema(
    "user.created",
    {
      type: "object",
      required: ["userId", "username", "email"],
      properties: {
        userId: { type: "string" },
        username: { type: "string" },
        email: { type: "string" },
      },
    },
    "1.0",
  );

  const userTopic = broker.createTopic("users", {
    schemaRegistry,
  });

  const whole = { userId: "u", username: "n", email: "e" };
  assert.equal((await userTopic.publish("user.created", whole)).schemaVersion, "1.0");
  await assert.rejects(
    broker.publish("users", "user.created", { userId: "u", username: 1 }),
    (error) => error instanceof EventRefusedError && error.code === "event/schema-violation",
  );
  assert.equal((await broker.getEventStore().getEvents("users")).length, 1);
});

Deno.test("Event Schema Evolution", async () => {
  const schemaRegistry = new JsonSchemaRegistry();
  const text = { type: "string" };
  const userSchemaV1 = { type: "object", required: ["name"], properties: { name: text } };
  const userSchemaV2 = { type: "object", required: ["fullName"], properties: { fullName: text } };
  const eventStore = new MemoryEventStore();
  await using broker = new EventBroker({ eventStore, schemaRegistry });
  const seen: string[] = [];
  const processUserV1 = (user: { name: string }) => seen.push(`v1 ${user.name}`);
  const processUserV2 = (user: { fullName: string }) => seen.push(`v2 ${user.fullName}`);
  const convertV1ToV2 = ({ name }: { name: string }) => ({ fullName: name });

  // 1. Versions
  schemaRegistry.registerSchema("user.created", userSchemaV1, "1.0");
  schemaRegistry.registerSchema("user.created", userSchemaV2, "2.0");

  // 2. A consumer of both
  broker.subscribe("users", (event) => {
    if (event.schemaVersion === "1.0") {
      processUserV1(event.payload);
    } else {
      processUserV2(event.payload);
    }
  });

  const old = await broker.publish("users", "user.created", { name: "first" }, {
    schemaVersion: "1.0",
    timestamp: 1000,
  });
  await broker.publish("users", "user.created", { fullName: "second" });
  await assert.rejects(broker.publish("users", "user.created", { name: "third" }));

  // 3. The migration
  const cutoffDate = 2000;
  async function migrateEvents() {
    const oldEvents = await eventStore.getEvents("users", {
      eventTypes: ["user.created"],
      toTimestamp: cutoffDate,
    });

    for (const oldEvent of oldEvents) {
      if (oldEvent.schemaVersion === "1.0") {
        const newPayload = convertV1ToV2(oldEvent.payload);
        await broker.publish("users", "user.created", newPayload, {
          schemaVersion: "2.0",
          originalEventId: oldEvent.id,
        });
      }
    }
  }
  await migrateEvents();
  await broker.idle();

  assert.deepEqual(seen, ["v1 first", "v2 second", "v2 first"]);
  const migrated = (await eventStore.getEvents("users")).at(-1)!;
  assert.deepEqual([migrated.schemaVersion, migrated.payload, migrated.metadata], [
    "2.0",
    { fullName: "first" },
    { originalEventId: old.id },
  ]);
});
