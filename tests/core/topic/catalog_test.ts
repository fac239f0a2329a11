/** The catalog of topics: created, updated and removed. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import {
  CannotStoreError,
  ConflictError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { defaultTopicOptions, type TopicOptions } from "../../../core/event/topic_options.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";
import { newEvent } from "../store/conformance.ts";

Deno.test("TopicCatalog.create makes a topic, agrees to the same again and refuses another", async () => {
  await using broker = new EventBroker();
  const { topics } = broker;
  assert.equal((await topics.create("t", { maxEvents: 5 })).created, true);
  assert.equal((await topics.create("t", { maxEvents: 5 })).created, false);
  assert.equal((await topics.create("t")).created, false);
  await assert.rejects(topics.create("t", { maxEvents: 6 }), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.deepEqual(error.details!["differs"], ["maxEvents"]);
    return true;
  });
  await assert.rejects(topics.create("../x"), InvalidArgumentError);
  await assert.rejects(topics.create("u", { maxEvents: -1 }), InvalidArgumentError);
});

Deno.test("TopicCatalog.require names the nearest topics", async () => {
  await using broker = new EventBroker();
  await broker.topics.create("orders");
  assert.throws(() => broker.topics.require("order"), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.match(error.hint!, /did you mean orders/);
    return true;
  });
});

Deno.test("TopicCatalog keeps topics and their options across a restart", async () => {
  const state = new MemoryState();
  const first = new EventBroker({ state });
  await first.topics.create("a", { retentionPeriod: 5 });
  await first.publish("b", "x", 1);
  await first.topics.update("a", { maxBytes: 9 });
  await first.close();
  await using second = new EventBroker({ state });
  assert.deepEqual(second.topics.list().map(({ name }) => name), ["a", "b"]);
  const { retentionPeriod, maxBytes, store } = second.topics.info("a");
  assert.deepEqual([retentionPeriod, maxBytes, store], [5, 9, "memory"]);
});

Deno.test("TopicCatalog settles each topic in the store that has its events, also where topics share their options", async () => {
  const file = new FileEventStore("/events", { disk: new MemoryDisk() });
  await file.append([{ topic: "b", events: [newEvent()] }]);
  const memory = new MemoryEventStore();
  const state = new MemoryState();
  const { store: _store, ...older } = defaultTopicOptions;
  for (const [n, options] of [defaultTopicOptions, older as TopicOptions].entries()) {
    await state.commit(["a", "b", "c"].map((name) => ({
      op: "topic.put",
      record: { name: n === 0 ? name : `${name}.older`, options, createdAt: 1 },
    })));
  }
  await file.append([{ topic: "b.older", events: [newEvent()] }]);
  await using broker = new EventBroker({
    eventStore: memory,
    stores: { durability: "always", opened: [memory, file], open: () => Promise.reject() },
    state,
  });
  assert.deepEqual(
    broker.topics.list().map(({ name, options }) => [name, options.store]),
    [
      ["a", "memory"],
      ["a.older", "memory"],
      ["b", "file"],
      ["b.older", "file"],
      ["c", "memory"],
      ["c.older", "memory"],
    ],
  );
});

Deno.test("TopicCatalog.update moves no topic to another store, with events or without", async () => {
  const [memory, file] = [
    new MemoryEventStore(),
    new FileEventStore("/events", { disk: new MemoryDisk() }),
  ];
  await using broker = new EventBroker({
    eventStore: memory,
    stores: { durability: "always", opened: [memory, file], open: () => Promise.reject() },
  });
  await broker.publish("some", "x", 1);
  await broker.topics.create("none");
  for (const name of ["some", "none"]) {
    const moved = broker.topics.update(name, { store: "file", maxEvents: 7 });
    await assert.rejects(moved, { code: "topic/store-fixed" });
    const { store, maxEvents } = broker.topics.info(name);
    assert.deepEqual([store, maxEvents], ["memory", 0]);
    await broker.topics.update(name, { store: "memory", maxEvents: 7 });
    assert.equal(broker.topics.info(name).maxEvents, 7);
  }
});

Deno.test("TopicCatalog.update keeps what several change at the same time, also when one is refused", async () => {
  const state = new MemoryState();
  await using broker = new EventBroker({ state });
  const { topics } = broker;
  await topics.create("t");
  const refused = assert.rejects(topics.update("t", { store: "file" }), ConflictError);
  await Promise.all([
    topics.update("t", { maxEvents: 7 }),
    refused,
    topics.update("t", { maxBytes: 9 }),
    topics.update("t", { maxEvents: 8 }),
  ]);
  for (const { maxEvents, maxBytes } of [topics.info("t"), state.load().topics[0]!.options]) {
    assert.deepEqual([maxEvents, maxBytes], [8, 9]);
  }
});

Deno.test("TopicCatalog leaves the last seq behind when a topic is removed", async () => {
  await using broker = new EventBroker();
  await broker.publish("t", "x", 1);
  await broker.topics.remove("t");
  assert.equal(broker.topics.get("t"), undefined);
  assert.equal((await broker.publish("t", "x", 2)).seq, 2);
  await broker.subscriptions.put("s", { topic: "t" });
  const info = await broker.subscriptions.info("s");
  assert.deepEqual([info.cursors[0]!.next, info.missed], [2, []]);
});

Deno.test("TopicCatalog forgets a topic that could not be kept, and says why", async () => {
  const state = new MemoryState();
  let refuses = true;
  const commit = state.commit.bind(state);
  state.commit = (changes) =>
    refuses ? Promise.reject(new CannotStoreError("the disk is full")) : commit(changes);
  const eventStore = new MemoryEventStore();
  await using broker = new EventBroker({ state, eventStore });
  await assert.rejects(broker.publish("t", "x", 1), CannotStoreError);
  assert.equal(broker.topics.get("t"), undefined);
  refuses = false;
  assert.equal((await broker.publish("t", "x", 2)).seq, 1);
});

Deno.test("TopicCatalog makes a topic once when it is created and published to at the same time", async () => {
  await using broker = new EventBroker();
  const made: string[] = [];
  broker.topics.onCreate(({ name }) => made.push(name));
  await broker.ready;
  const [{ created }] = await Promise.all([
    broker.topics.create("t", { maxEvents: 7 }),
    broker.publish("t", "x", 1),
  ]);
  assert.deepEqual([created, made, broker.topics.info("t").maxEvents], [true, ["t"], 7]);
});

Deno.test("TopicCatalog makes a topic once for all that publish to it at the same time, in their order", async () => {
  await using broker = new EventBroker();
  const events = await Promise.all([1, 2, 3].map((n) => broker.publish("t", "x", n)));
  assert.deepEqual(events.map(({ seq, payload }) => [seq, payload]), [[1, 1], [2, 2], [3, 3]]);
});
