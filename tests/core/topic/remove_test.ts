/**
 * A topic that is published to while it is removed: what was acknowledged is in a topic that exists,
 * whichever of the two is stored first, and at the next start, too.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import type { BrokerOptions } from "../../../core/broker/broker_options.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";

/** Makes the next call of `method` tell that it has come, and wait until it may go on. */
function holdNext<K extends string>(
  target: { [key in K]: (...args: never[]) => Promise<unknown> },
  method: K,
  { after = false, only = () => true }: {
    /** Waits when the work is done, instead of before it. */
    after?: boolean;
    only?: (arg: unknown) => boolean;
  } = {},
) {
  const work = target[method].bind(target) as (...args: unknown[]) => Promise<unknown>;
  const come = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let isHeld = false;
  const held = async (...args: unknown[]) => {
    if (isHeld || !only(args[0])) return work(...args);
    isHeld = true;
    const done = after ? await work(...args) : undefined;
    come.resolve();
    await go.promise;
    return after ? done : work(...args);
  };
  Object.assign(target, { [method]: held });
  return { come: come.promise, go: () => go.resolve() };
}

const has = (op: StateChange["op"]) => (changes: unknown) =>
  (changes as StateChange[]).some((change) => change.op === op);

/** Publishes to `t` between the moment when its events go and the one when its record goes. */
async function publishDuringRemoval(options: BrokerOptions & { state: MemoryState }) {
  const broker = new EventBroker(options);
  const removal = holdNext(options.state, "commit", { only: has("topic.remove") });
  const order: string[] = [];
  broker.topics.onRemove((name) => order.push(`${name} removed`));
  broker.topics.onCreate(({ name }) => order.push(`${name} created`));
  const removed = broker.topics.remove("t");
  await removal.come;
  const { seq } = await broker.publish("t", "x", 2);
  removal.go();
  await removed;
  return { broker, seq, order };
}

Deno.test("TopicCatalog.remove makes a topic again that was published to before its record was gone", async () => {
  for (const autoCreateTopics of [true, false]) {
    const [state, eventStore] = [new MemoryState(), new MemoryEventStore()];
    const options = { state, eventStore, autoCreateTopics };
    const before = new EventBroker(options);
    await before.topics.create("t", { maxEvents: 7 });
    await before.publish("t", "x", 1);
    await before.close();

    const { broker, seq, order } = await publishDuringRemoval(options);
    assert.equal(seq, 2);
    assert.deepEqual(order, ["t removed", "t created"]);
    const { firstSeq, lastSeq, maxEvents } = broker.topics.info("t");
    assert.deepEqual([firstSeq, lastSeq, maxEvents], [2, 2, 0]);
    await broker.close();
    await using next = new EventBroker(options);
    assert.deepEqual(next.topics.names(), ["t"]);
  }
});

Deno.test("TopicCatalog.remove makes a topic again in the store that has its events", async () => {
  const file = new FileEventStore("/events", { disk: new MemoryDisk() });
  const eventStore = new MemoryEventStore();
  const state = new MemoryState();
  const options: BrokerOptions & { state: MemoryState } = {
    eventStore,
    stores: { durability: "always", opened: [eventStore, file], open: () => Promise.reject() },
    state,
  };
  const store = { ...defaultTopicOptions, store: "file" as const };
  await state.commit([{ op: "topic.put", record: { name: "t", options: store, createdAt: 1 } }]);
  const { broker } = await publishDuringRemoval(options);
  await using _ = broker;
  const { store: kind, events } = broker.topics.info("t");
  assert.deepEqual([kind, events], ["file", 1]);
});

Deno.test("TopicCatalog.remove leaves a topic removed that was not published to", async () => {
  await using broker = new EventBroker();
  await broker.publish("t", "x", 1);
  await broker.topics.remove("t");
  assert.deepEqual(broker.topics.names(), []);
});

Deno.test("TopicCatalog.remove says so if a topic that was published to cannot be made again", async () => {
  const state = new MemoryState();
  await using broker = new EventBroker({ state });
  await broker.publish("t", "x", 1);
  const removal = holdNext(state, "commit", { only: has("topic.remove") });
  const removed = broker.topics.remove("t");
  await removal.come;
  await broker.publish("t", "x", 2);
  const commit = state.commit.bind(state);
  state.commit = (changes) =>
    has("topic.put")(changes)
      ? Promise.reject(new CannotStoreError("the disk is full"))
      : commit(changes);
  removal.go();
  await assert.rejects(removed, CannotStoreError);
  state.commit = commit;
  // The next event brings it back.
  assert.equal((await broker.publish("t", "x", 3)).seq, 3);
  assert.equal(broker.topics.info("t").events, 2);
});

for (const kind of ["memory", "file"] as const) {
  Deno.test(`EventBroker makes a topic of the ${kind} store again whose event is stored after its record is gone`, async () => {
    for (const autoCreateTopics of [true, false]) {
      const eventStore = new MemoryEventStore();
      const file = new FileEventStore("/events", { disk: new MemoryDisk() });
      const state = new MemoryState();
      const options: BrokerOptions = {
        eventStore,
        stores: { durability: "always", opened: [eventStore, file], open: () => Promise.reject() },
        state,
        autoCreateTopics,
      };
      await using broker = new EventBroker(options);
      await broker.topics.create("t", { store: kind });
      await broker.publish("t", "x", 1);
      const append = holdNext(kind === "file" ? file : eventStore, "append");
      const handled: unknown[] = [];
      broker.subscribe("*", ({ payload }) => void handled.push(payload));
      const published = broker.publish("t", "x", 2);
      await append.come;
      await broker.topics.remove("t");
      assert.deepEqual(broker.topics.names(), []);
      append.go();
      assert.equal((await published).seq, 2);
      const { store, firstSeq, lastSeq } = broker.topics.info("t");
      assert.deepEqual([store, firstSeq, lastSeq], [kind, 2, 2]);
      await broker.topics.pending("t");
      assert.deepEqual(state.load().topics.map(({ name }) => name), ["t"]);
      await broker.idle();
      assert.deepEqual(handled, [2]);
    }
  });
}

Deno.test("EventBroker makes no topic again whose event was stored before its removal, and acknowledged later", async () => {
  const eventStore = new MemoryEventStore();
  await using broker = new EventBroker({ eventStore });
  await broker.publish("t", "x", 1);
  const append = holdNext(eventStore, "append", { after: true });
  const published = broker.publish("t", "x", 2);
  await append.come;
  await broker.topics.remove("t");
  append.go();
  assert.equal((await published).seq, 2);
  assert.deepEqual(broker.topics.names(), []);
});

Deno.test("EventBroker tells if a topic that was published to cannot be made again", async () => {
  const [state, eventStore] = [new MemoryState(), new MemoryEventStore()];
  const told: unknown[] = [];
  const onError = (error: unknown, context: string) => void told.push([error, context]);
  await using broker = new EventBroker({ state, eventStore, onError });
  await broker.publish("t", "x", 1);
  const append = holdNext(eventStore, "append");
  const published = broker.publish("t", "x", 2);
  await append.come;
  await broker.topics.remove("t");
  const full = new CannotStoreError("the disk is full");
  const put = state.commit.bind(state);
  state.commit = (changes) => has("topic.put")(changes) ? Promise.reject(full) : put(changes);
  append.go();
  await published;
  await broker.topics.pending("t")?.catch(() => {});
  state.commit = put;
  assert.deepEqual(told, [[full, "the topic t"]]);
});
