/**
 * A broker whose event store is gone, or older than its state: it reports that, reuses no number,
 * continues after the highest number on record, and still delivers new events.
 */
import assert from "node:assert/strict";
import { endChanges, knownEnds, lostEnds } from "../../../core/broker/known_ends.ts";
import { TopicEnds } from "../../../core/broker/topic_ends.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { GuardedState } from "../../../core/state/guarded_state.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { ActingState } from "../../helpers/acting_state.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";
import { testFolder } from "../../helpers/folder.ts";

interface Opened {
  broker: EventBroker;
  told: string[];
}

function open(folder: string, kind: "sqlite" | "file"): Opened {
  const eventStore: JournalStore = kind === "sqlite"
    ? new SqliteEventStore(`${folder}/events.db`)
    : new FileEventStore(`${folder}/events`);
  const told: string[] = [];
  const broker = new EventBroker({
    eventStore,
    state: new SqliteState(`${folder}/state.db`),
    onError: (error) => void told.push(error instanceof Error ? error.message : String(error)),
  });
  return { broker, told };
}

async function removeEvents(folder: string): Promise<void> {
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (name.startsWith("events")) await Deno.remove(`${folder}/${name}`, { recursive: true });
  }
}

async function copyEvents(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const { name, isDirectory } of [...Deno.readDirSync(from)]) {
    if (!name.startsWith("events") && !/events/.test(from)) continue;
    if (isDirectory) await copyEvents(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

async function publish(broker: EventBroker, count: number): Promise<number[]> {
  const events = [];
  for (let n = 0; n < count; n++) events.push(await broker.publish("orders", "placed", n));
  return events.map(({ seq }) => seq!);
}

for (const kind of ["sqlite", "file"] as const) {
  Deno.test(`EventBroker gives no number again when its ${kind} store is gone, and says what is lost`, async () => {
    const folder = await testFolder("test");
    try {
      let { broker } = open(folder, kind);
      const seen: unknown[] = [];
      const subscribe = () =>
        broker.getTopic("orders")!.subscribe((event) => void seen.push(event.seq), { name: "s" });
      broker.createTopic("orders");
      subscribe();
      await publish(broker, 4);
      await broker.idle();
      await broker.close();
      await removeEvents(folder);

      let told: string[];
      ({ broker, told } = open(folder, kind));
      await broker.ready;
      assert.deepEqual(told, ["events 1 to 4 of orders are gone from the event store"]);
      assert.deepEqual(broker.store.head("orders"), { firstSeq: 5, lastSeq: 4, bytes: 0 });
      subscribe();
      assert.deepEqual(await publish(broker, 2), [5, 6]);
      await broker.idle();
      assert.deepEqual(seen, [1, 2, 3, 4, 5, 6], "what comes is delivered, nothing twice");
      await broker.close();

      // It stays so, and is no news.
      ({ broker, told } = open(folder, kind));
      await broker.ready;
      assert.deepEqual(told, []);
      assert.deepEqual(await publish(broker, 1), [7]);
      await broker.close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  Deno.test(`EventBroker names what is missing when an older ${kind} store was put in place`, async () => {
    const folder = await testFolder("test");
    try {
      let { broker } = open(folder, kind);
      await publish(broker, 3);
      await broker.close();
      await copyEvents(folder, `${folder}/copy`);
      ({ broker } = open(folder, kind));
      await publish(broker, 5);
      await broker.close();
      await removeEvents(folder);
      await copyEvents(`${folder}/copy`, folder);

      const opened = open(folder, kind);
      ({ broker } = opened);
      await broker.ready;
      assert.match(opened.told.join(), /events 4 to 8 of orders are gone/);
      assert.deepEqual(await publish(broker, 1), [9]);
      const page = await broker.store.readPage("orders", { from: 1, to: 9, limit: 20 });
      assert.deepEqual(page.events.map(({ seq }) => seq), [1, 2, 3, 9]);
      const damage = broker.store.damage?.() ?? [];
      assert.deepEqual(
        damage.filter(({ lost }) => lost).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]),
        [[4, 8]],
      );
      await broker.close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  Deno.test(`EventBroker gives no number again that a subscription has had when its ${kind} store is gone and it was killed`, async () => {
    const folder = await testFolder("test");
    const { broker } = open(folder, kind);
    try {
      broker.createTopic("orders");
      broker.getTopic("orders")!.subscribe(() => {}, { name: "s" });
      await publish(broker, 4);
      await broker.idle();
      // What a kill leaves: nothing but the cursor says how far the topic went.
      const killed = `${folder}/killed`;
      await Deno.mkdir(killed);
      for (const file of ["state.db", "state.db-wal"]) {
        await Deno.copyFile(`${folder}/${file}`, `${killed}/${file}`);
      }
      const next = open(killed, kind);
      await next.broker.ready;
      assert.deepEqual(next.told, ["events 1 to 4 of orders are gone from the event store"]);
      assert.deepEqual(await publish(next.broker, 1), [5]);
      await next.broker.close();
    } finally {
      await broker.close();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("knownEnds is the highest seq that anything remembers of a topic", () => {
  const nothing = { cursors: [], done: [], missed: [], ends: [] };
  const all = {
    cursors: [{ subscription: "s", topic: "a", next: 8 }],
    done: [{ subscription: "s", topic: "a", seq: 9 }],
    missed: [{ subscription: "s", topic: "b", from: 1, to: 4, count: 4 }],
    ends: [{ topic: "c", lastSeq: 3 }],
  };
  const of = (...names: (keyof typeof all)[]) =>
    Object.fromEntries(
      knownEnds({ ...nothing, ...Object.fromEntries(names.map((name) => [name, all[name]])) }),
    );
  assert.deepEqual(of("cursors"), { a: 7 });
  assert.deepEqual(of("done", "cursors"), { a: 9 });
  assert.deepEqual(of("missed"), { b: 4 });
  assert.deepEqual(of("ends"), { c: 3 });
  const known = [{ topic: "c", lastSeq: 2 }, { topic: "d", lastSeq: 1 }];
  assert.deepEqual(Object.fromEntries(knownEnds(all, known)), { a: 9, b: 4, c: 3, d: 1 });
});

Deno.test("lostEnds names what is behind the end of a store, and nothing of one that ends later", () => {
  const ends = new Map([["a", 5], ["b", 5], ["c", 5], ["d", 5]]);
  const heads: Record<string, number> = { a: 4, b: 5, c: 6 };
  const lost = lostEnds(
    ends,
    (topic) => topic in heads ? { firstSeq: 1, lastSeq: heads[topic]!, bytes: 0 } : undefined,
  );
  assert.deepEqual(lost, [{ topic: "a", firstSeq: 5, lastSeq: 5 }]);
});

Deno.test("endChanges writes the ends that the state does not know yet", () => {
  const before = [{ topic: "a", lastSeq: 3 }, { topic: "b", lastSeq: 3 }];
  const now = [{ topic: "a", lastSeq: 3 }, { topic: "b", lastSeq: 4 }, { topic: "c", lastSeq: 1 }];
  const changed = endChanges([...now, { topic: "d", lastSeq: 0 }], before);
  assert.deepEqual(changed, now.slice(1).map((record) => ({ op: "end.put", record })));
});

Deno.test("EventBroker misses nothing of a topic that was removed from another store than the default", async () => {
  for (const isKilled of [false, true]) {
    const folder = await testFolder("test");
    const state = new MemoryState();
    const open = () => {
      const eventStore = new SqliteEventStore(`${folder}/events.db`);
      const file = new FileEventStore(`${folder}/events`);
      const stores = {
        durability: "always" as const,
        opened: [eventStore, file],
        open: () => Promise.reject(),
      };
      return { broker: new EventBroker({ eventStore, stores, state }), file, eventStore };
    };
    try {
      const first = open();
      await first.broker.topics.create("t", { store: "file" });
      for (const n of [1, 2]) await first.broker.publish("t", "x", n);
      await first.broker.close();
      const second = open();
      await second.broker.topics.remove("t");
      if (isKilled) { // and writes nothing down
        await second.file.close();
        await second.eventStore.close();
      } else await second.broker.close();
      const { broker } = open();
      await using _ = broker;
      assert.deepEqual([broker.ends.lost, state.load().ends], [[], [{ topic: "t", lastSeq: 2 }]]);
      assert.equal((await broker.publish("t", "x", 3)).seq, 3);
      assert.equal(broker.topics.info("t").store, "file");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
});

Deno.test("EventBroker misses nothing of a topic in memory that was removed, and delivers what comes later", async () => {
  const state = new MemoryState();
  const disk = new MemoryDisk();
  const open = () => {
    const eventStore = new FileEventStore("/events", { disk });
    const stores = {
      durability: "always" as const,
      opened: [eventStore, new MemoryEventStore()],
      open: () => Promise.reject(),
    };
    const told: unknown[] = [];
    const broker = new EventBroker({ eventStore, stores, state, onError: (e) => told.push(e) });
    const handled: unknown[] = [];
    broker.subscribe("t", ({ payload }) => void handled.push(payload), { name: "s" });
    return { broker, handled, told };
  };
  const first = open();
  await first.broker.topics.create("t", { store: "memory" });
  for (const n of [1, 2]) await first.broker.publish("t", "x", n);
  await first.broker.idle();
  await first.broker.topics.remove("t");
  await first.broker.close();

  const { broker, handled, told } = open();
  await using _ = broker;
  await broker.ready;
  assert.deepEqual([broker.ends.lost, told], [[], []]);
  // Its name is free for any store, as that of every topic in memory.
  await broker.topics.create("t", { store: "memory" });
  await broker.publish("t", "x", 3);
  await broker.idle();
  assert.deepEqual(handled, [3]);
});

Deno.test("TopicEnds misses nothing where state and events are in one database that was not read yet", () => {
  const cursor = { subscription: "s", topic: "t", next: 9 };
  const state = new ActingState();
  const snapshot = state.load();
  snapshot.topics.push({ name: "t" } as typeof snapshot.topics[number]);
  snapshot.cursors.push(cursor);
  const store = new MemoryEventStore() as Omit<JournalStore, "sharesState"> & {
    sharesState?: true;
  };
  store.keepsNumbers = () => true;
  const lost = () => {
    const context = { store, state: new GuardedState(state, store), onError: () => {} };
    return new TopicEnds(context, snapshot).lost;
  };
  assert.deepEqual(lost(), [{ topic: "t", firstSeq: 1, lastSeq: 8 }], "elsewhere it does");
  store.sharesState = true;
  assert.deepEqual(lost(), []);
});
