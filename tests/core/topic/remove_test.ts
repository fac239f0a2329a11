/**
 * A topic that is used while it is removed: what was published before goes with it, what comes
 * later finds a topic that exists anew, and no moment at which the process may end leaves events of
 * a topic that the state does not know.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { CannotStoreError, NotFoundError } from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";
import { ThreeMethods } from "../../helpers/three_methods.ts";

/** Makes the next call of `method` tell that it has come, and wait until it may go on. */
function holdNext<K extends string>(
  target: { [key in K]: (...args: never[]) => Promise<unknown> },
  method: K,
  only: (arg: unknown) => boolean = () => true,
) {
  const work = target[method].bind(target) as (...args: unknown[]) => Promise<unknown>;
  const come = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let isHeld = false;
  const held = async (...args: unknown[]) => {
    if (isHeld || !only(args[0])) return work(...args);
    isHeld = true;
    come.resolve();
    await go.promise;
    return work(...args);
  };
  Object.assign(target, { [method]: held });
  return { come: come.promise, go: () => go.resolve() };
}

const has = (op: StateChange["op"]) => (changes: unknown) =>
  (changes as StateChange[]).some((change) => change.op === op);

/** Lets as much time pass as a removal takes that waits for nothing. */
async function removeAnother(broker: EventBroker): Promise<void> {
  await broker.topics.create("other");
  await broker.topics.remove("other");
}

/** A broker with a topic of one event, its removal, and what the removal waits with. */
async function removing(options: { autoCreateTopics?: boolean } = {}) {
  const state = new MemoryState();
  const eventStore = new MemoryEventStore();
  const broker = new EventBroker({ state, eventStore, ...options });
  await broker.topics.create("t", { maxEvents: 7 });
  await broker.publish("t", "x", 1);
  const commit = holdNext(state, "commit", has("topic.remove"));
  const removed = broker.topics.remove("t");
  await commit.come;
  const topicsOfState = () => state.load().topics.map(({ name }) => name);
  return { broker, state, eventStore, removed, go: commit.go, topicsOfState };
}

for (const kind of ["memory", "file"] as const) {
  Deno.test(`TopicCatalog.remove waits for what is being stored in the ${kind} store, and takes it along`, async () => {
    const eventStore = new MemoryEventStore();
    const file = new FileEventStore("/events", { disk: new MemoryDisk() });
    const stores = {
      durability: "always" as const,
      opened: [eventStore, file],
      open: () => Promise.reject(),
    };
    await using broker = new EventBroker({ eventStore, stores });
    for (const topic of ["t", "u"]) await broker.topics.create(topic, { store: kind });
    const store = kind === "file" ? file : eventStore;
    for (
      const publish of [
        () => broker.publish("t", "x", 1),
        () =>
          broker.publishAll([
            { topic: "u", type: "x", payload: 1 },
            { topic: "t", type: "x", payload: 1 },
          ]),
      ]
    ) {
      await broker.topics.create("t", { store: kind });
      const order: string[] = [];
      const append = holdNext(store, "append");
      const published = publish().then(() => order.push("published"));
      await append.come;
      const removed = broker.topics.remove("t").then(() => order.push("removed"));
      await removeAnother(broker);
      append.go();
      await Promise.all([published, removed]);
      assert.deepEqual(order, ["published", "removed"]);
      assert.deepEqual(broker.topics.names().toSorted(), ["u"]);
      const { firstSeq, lastSeq } = store.head("t");
      assert.ok(firstSeq > lastSeq, "nothing is left");
    }
  });
}

Deno.test("TopicCatalog.remove waits for what a store of three methods has not got yet", async () => {
  const eventStore = new ThreeMethods();
  await using broker = new EventBroker({ eventStore });
  await broker.publish("t", "x", 1);
  const save = holdNext(eventStore, "saveEvent");
  const order: unknown[] = [];
  const published = [2, 3, 4].map((n) =>
    broker.publish("t", "x", n).then(({ seq }) => order.push(seq))
  );
  await save.come;
  const removed = broker.topics.remove("t").then(() => order.push("removed"));
  save.go();
  await Promise.all([...published, removed]);
  assert.deepEqual(order, [2, 3, 4, "removed"]);
  assert.deepEqual(broker.topics.names(), []);
});

Deno.test("TopicCatalog.remove waits for a group that waits for another topic", async () => {
  const state = new MemoryState();
  await using broker = new EventBroker({ state });
  await broker.publish("t", "x", 1);
  const made = holdNext(state, "commit", has("topic.put"));
  const group = broker.publishAll([
    { topic: "new", type: "x", payload: 2 },
    { topic: "t", type: "x", payload: 2 },
  ]);
  await made.come;
  const removed = broker.topics.remove("t");
  await removeAnother(broker);
  made.go();
  await removed;
  assert.deepEqual((await group).map(({ seq }) => seq), [1, 2]);
  const { firstSeq, lastSeq } = broker.store.head("t");
  assert.deepEqual([firstSeq, lastSeq, broker.topics.names()], [3, 2, ["new"]]);
});

Deno.test("EventBroker publishes what comes while a topic is removed to a new one, in its order", async () => {
  const { broker, go, removed, eventStore, topicsOfState } = await removing();
  await using _ = broker;
  const order: string[] = [];
  broker.topics.onRemove((name) => order.push(`${name} removed`));
  broker.topics.onCreate(({ name }) => order.push(`${name} created`));
  const handled: unknown[] = [];
  broker.subscribe("*", ({ payload }) => void handled.push(payload));
  const published = [
    broker.publish("t", "x", 2),
    broker.publishAll([
      { topic: "t", type: "x", payload: 3 },
      { topic: "t", type: "x", payload: 4 },
    ]),
    broker.publish("t", "x", 5),
  ];
  await broker.publish("u", "x", "meanwhile");
  assert.equal(eventStore.head("t").lastSeq, 1);
  go();
  await removed;
  const seqs = (await Promise.all(published)).flat().map(({ seq }) => seq);
  assert.deepEqual(seqs, [2, 3, 4, 5]);
  assert.deepEqual(order, ["u created", "t removed", "t created"]);
  const { firstSeq, lastSeq, maxEvents } = broker.topics.info("t");
  assert.deepEqual([firstSeq, lastSeq, maxEvents], [2, 5, 0]);
  assert.deepEqual(topicsOfState().toSorted(), ["t", "u"]);
  await broker.idle();
  assert.deepEqual(handled, ["meanwhile", 2, 3, 4, 5]);
});

Deno.test("EventBroker refuses what comes while a topic is removed where publishing may not create topics", async () => {
  const { broker, go, removed, eventStore } = await removing({ autoCreateTopics: false });
  await using _ = broker;
  const refused = [
    broker.publish("t", "x", 2),
    broker.publishAll([{ topic: "t", type: "x", payload: 3 }]),
    broker.publish("t", "x", 4, { schedule: { delayMs: 60_000 } }),
  ].map((published) => assert.rejects(published, NotFoundError));
  go();
  await removed;
  await Promise.all(refused);
  assert.equal(eventStore.head("t").lastSeq, 1);
  assert.deepEqual([broker.topics.names(), broker.scheduled.size], [[], 0]);
});

Deno.test("EventBroker publishes what comes while a topic is removed to the old one if it stays", async () => {
  const state = new MemoryState();
  await using broker = new EventBroker({ state });
  await broker.topics.create("t", { maxEvents: 7 });
  await broker.publish("t", "x", 1);
  const commit = state.commit.bind(state);
  state.commit = (changes) =>
    has("topic.remove")(changes)
      ? Promise.reject(new CannotStoreError("the disk is full"))
      : commit(changes);
  const removed = broker.topics.remove("t");
  const published = broker.publish("t", "x", 2);
  await assert.rejects(removed, CannotStoreError);
  assert.equal((await published).seq, 2);
  assert.equal(broker.topics.info("t").maxEvents, 7);
});

Deno.test("TopicCatalog.remove takes along what was scheduled before, and nothing that comes later", async () => {
  const { broker, go, removed, state } = await removing();
  await using _ = broker;
  const later = { schedule: { delayMs: 60_000 } };
  const accepted = broker.publish("t", "x", 2, later);
  go();
  await removed;
  await accepted;
  assert.deepEqual([broker.topics.names(), broker.scheduled.size], [["t"], 1]);
  const put = holdNext(state, "commit", has("scheduled.put"));
  const before = broker.publish("t", "x", 3, later);
  await put.come;
  const again = broker.topics.remove("t");
  await removeAnother(broker);
  put.go();
  await Promise.all([before, again]);
  assert.deepEqual([broker.topics.names(), broker.scheduled.size], [[], 0]);
  assert.deepEqual([state.load().topics, state.load().scheduled], [[], []]);
});

Deno.test("TopicCatalog.remove takes along what is due while it is under way", async () => {
  const clock = new FakeClock();
  const [state, eventStore] = [new MemoryState(), new MemoryEventStore({ clock })];
  await using broker = new EventBroker({ clock, state, eventStore });
  await broker.publish("t", "x", 1, { schedule: { delayMs: 1000 } });
  await broker.publish("u", "x", 1, { schedule: { delayMs: 1000 } });
  const commit = holdNext(state, "commit", has("topic.remove"));
  const removed = broker.topics.remove("t");
  await commit.come;
  await clock.pass(1000);
  while (eventStore.head("u").lastSeq === 0) await settled();
  commit.go();
  await removed;
  while (broker.scheduled.size > 0) await settled();
  assert.deepEqual([broker.topics.names(), eventStore.head("t").lastSeq], [["u"], 0]);
  // Nothing of it is in the way of what comes later.
  await broker.publish("t", "x", 2, { schedule: { delayMs: 1000 } });
  await clock.pass(1000);
  while (broker.scheduled.size > 0) await settled();
  assert.equal(eventStore.head("t").lastSeq, 1);
});

Deno.test("TopicCatalog.remove takes nothing along that is scheduled under the same id later", async () => {
  const clock = new FakeClock();
  const eventStore = new MemoryEventStore({ clock });
  await using broker = new EventBroker({ clock, eventStore });
  const options = { id: "a", schedule: { delayMs: 1000 } };
  await broker.publish("t", "x", 1, options);
  await broker.publish("u", "x", 1, options);
  // What is due of both leaves together: the one is stored, and the other one waits.
  const removing = holdNext(eventStore, "removeTopic", (topic) => topic === "u");
  const removed = broker.topics.remove("u");
  await removing.come;
  await clock.pass(1000);
  while (eventStore.head("t").lastSeq === 0) await settled();
  await broker.topics.remove("t");
  await broker.publish("t", "x", 2, options);
  removing.go();
  await removed;
  await clock.pass(1000);
  while (broker.scheduled.size > 0) await settled();
  assert.deepEqual((await eventStore.getEvents("t")).map(({ seq, id }) => [seq, id]), [[2, "a"]]);
});

Deno.test("TopicCatalog.create makes a topic anew that is being removed", async () => {
  const { broker, go, removed } = await removing();
  await using _ = broker;
  const created = broker.topics.create("t", { maxEvents: 7 });
  go();
  await removed;
  assert.equal((await created).created, true);
  assert.deepEqual(broker.topics.names(), ["t"]);
});

Deno.test("TopicCatalog.update brings no topic back that is removed meanwhile", async () => {
  const { broker, go, removed, topicsOfState } = await removing();
  await using _ = broker;
  const refused = assert.rejects(broker.topics.update("t", { maxEvents: 9 }), NotFoundError);
  go();
  await removed;
  await refused;
  assert.deepEqual([broker.topics.names(), topicsOfState()], [[], []]);
});

Deno.test("TopicCatalog.remove waits for what makes the topic again that was removed before", async () => {
  const { broker, go, removed, eventStore, state } = await removing();
  await using _ = broker;
  const published = [2, 3].map((n) => broker.publish("t", "x", n));
  const again = broker.topics.remove("t");
  const put = holdNext(state, "commit", has("topic.put"));
  go();
  await put.come;
  await removeAnother(broker);
  put.go();
  await Promise.all([removed, again]);
  assert.deepEqual((await Promise.all(published)).map(({ seq }) => seq), [2, 3]);
  const { firstSeq, lastSeq } = eventStore.head("t");
  assert.deepEqual([firstSeq, lastSeq, broker.topics.names()], [4, 3, []]);
});

Deno.test("TopicCatalog.remove removes a topic once when two ask for it", async () => {
  const { broker, go, removed } = await removing();
  await using _ = broker;
  const refused = assert.rejects(broker.topics.remove("t"), NotFoundError);
  go();
  await removed;
  await refused;
});
