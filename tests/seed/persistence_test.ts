/** The promised snippets about persistence. */
// deno-lint-ignore-file no-console -- the snippet is as users were shown it
/** The seed document's file store: events of yesterday, read back. */
import assert from "node:assert/strict";
import { EventBroker } from "@env/env-event-stream";
import { FileEventStore } from "https://deno.land/x/env_event_stream/mod.ts";
import { inFolder, printed } from "./helper.ts";

Deno.test("Event Persistence", async () => {
  await inFolder(async () => {
    {
      // The process before this one.
      await using broker = new EventBroker({ eventStore: new FileEventStore("./event_store") });
      await broker.publish("users", "user.created", "of last week", {
        timestamp: Date.now() - 7 * 86_400_000,
      });
      await broker.publish("users", "user.created", "of today");
      await broker.publish("users", "user.deleted", "of today too");
      await broker.publish("others", "user.created", "elsewhere");
    }
    const lines = await printed(async () => {
      const eventStore = new FileEventStore("./event_store");

      const events = await eventStore.getEvents("users", {
        fromTimestamp: Date.now() - 86400000,
        eventTypes: ["user.created"],
      });

      for (const event of events) {
        console.log(event.payload);
      }

      await eventStore.close();
    });
    assert.deepEqual(lines, [["of today"]]);
  });
});
