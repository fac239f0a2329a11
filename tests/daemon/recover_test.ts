/** Topics that have events and that the state does not know: they are made again, and no others. */
import assert from "node:assert/strict";
import { EventBroker } from "../../core/broker/event_broker.ts";
import { SqliteState } from "../../core/state/sqlite.ts";
import { FileEventStore } from "../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../core/store/memory.ts";
import { SqliteEventStore } from "../../core/store/sqlite/sqlite_event_store.ts";
import { recoverTopics } from "../../daemon/recover.ts";
import { MemoryDisk } from "../helpers/memory_disk.ts";
import { inFolder } from "../helpers/start.ts";
import { newEvent } from "../core/store/conformance.ts";

function open(folder: string): EventBroker {
  return new EventBroker({
    eventStore: new SqliteEventStore(`${folder}/events.db`),
    state: new SqliteState(`${folder}/state.db`),
  });
}

async function removeState(folder: string): Promise<void> {
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (name.startsWith("state.db")) await Deno.remove(`${folder}/${name}`);
  }
}

Deno.test("recoverTopics makes topics again from their events when the state is gone, and nothing else", () =>
  inFolder(async (folder) => {
    let broker = open(folder);
    await broker.publish("a", "x", 1);
    await broker.publish("b", "x", 1);
    await broker.publish("empty", "x", 1);
    await broker.store.truncate("empty", 2);
    assert.equal(await recoverTopics(broker), undefined);
    await broker.close();
    await removeState(folder);

    broker = open(folder);
    await broker.ready;
    assert.match(
      (await recoverTopics(broker))!,
      /^the state database was gone: 2 topics were made/,
    );
    assert.deepEqual(broker.topics.list().map(({ name }) => name).toSorted(), ["a", "b"]);
    assert.equal(await recoverTopics(broker), undefined, "once");
    await broker.close();

    // It is in the state now.
    broker = open(folder);
    await broker.ready;
    assert.equal(await recoverTopics(broker), undefined);
    await broker.close();
  }));

Deno.test("recoverTopics names the topic when the state does not know one of them", () =>
  inFolder(async (folder) => {
    const broker = open(folder);
    await broker.publish("known", "x", 1);
    const line = new TextEncoder().encode("1");
    await broker.store.append([{
      topic: "unknown",
      events: [{
        ...{ id: "i", idGiven: false, type: "x", timestamp: 1, schemaVersion: "1.0" },
        ...{ metadata: "{}", payload: line },
      }],
    }]);
    const said = await recoverTopics(broker);
    assert.match(said!, /^the state did not know every topic: the topic unknown was made again/);
    await broker.close();
  }));

Deno.test("recoverTopics makes a topic again in the store that has its events, whichever is the default", async () => {
  const file = new FileEventStore("/events", { disk: new MemoryDisk() });
  const eventStore = new MemoryEventStore();
  const stores = {
    durability: "always" as const,
    opened: [eventStore, file],
    open: () => Promise.reject(),
  };
  for (const topic of ["a", "b"]) await file.append([{ topic, events: [newEvent()] }]);
  await eventStore.append([{ topic: "c", events: [newEvent()] }]);
  await using broker = new EventBroker({ eventStore, stores });
  assert.match((await recoverTopics(broker))!, /^the state database was gone: 3 topics were made/);
  assert.deepEqual(
    broker.topics.list().map(({ name }) => [name, broker.topics.info(name).store]),
    [["a", "file"], ["b", "file"], ["c", "memory"]],
  );
});
