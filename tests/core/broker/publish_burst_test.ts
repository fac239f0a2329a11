/**
 * Events published without waiting share appends, and therefore syncs, whatever the first one has
 * to wait for.
 */
import assert from "node:assert/strict";
import {
  EventBroker,
  FileEventStore,
  JsonSchemaRegistry,
  type SchemaRegistry,
} from "../../../mod.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { testFolder } from "../../helpers/folder.ts";
import { watchDatabases } from "../../world/disk/databases.ts";

const BURST = 1000;
/** Appends that a burst may take; one by one it would take {@link BURST}. */
const FEW = 20;

const stores: Record<string, (folder: string) => JournalStore> = {
  MemoryEventStore: () => new MemoryEventStore(),
  SqliteEventStore: (folder) => new SqliteEventStore(`${folder}/events.db`),
  FileEventStore: (folder) => new FileEventStore(`${folder}/events`),
};

/** A registry of an application's own: it cannot be asked whether it is ready. */
function ownRegistry(): SchemaRegistry {
  const registry = new JsonSchemaRegistry();
  registry.registerSchema("checked", { type: "number" }, "1.0");
  return {
    registerSchema: (type, schema, version) => registry.registerSchema(type, schema, version),
    ready: () => registry.ready(),
    has: (type, version) => registry.has(type, version),
    validate: (type, version, payload) => registry.validate(type, version, payload),
    register: (type, options) => registry.register(type, options),
    load: (records, levels) => registry.load(records, levels),
    list: () => registry.list(),
    latest: (type) => registry.latest(type),
    get: (type, version) => registry.get(type, version),
    remove: (type, version) => registry.remove(type, version),
  };
}

interface Burst {
  /** What is done before, and what the burst has to wait for. */
  before(broker: EventBroker): Promise<void> | void;
  /** The topic of the nth event; default `t`. */
  topic?: (n: number) => string;
  /** Its type; default `checked`. */
  type?: (n: number) => string;
}

const number = { type: "number" };
const bursts: Record<string, Burst> = {
  "nothing is registered": { before() {} },
  "its type has a schema": {
    async before(broker) {
      await broker.registerSchema("checked", number);
    },
  },
  "a schema of its type is being registered": {
    before(broker) {
      void broker.registerSchema("checked", number);
    },
  },
  "some of its types have a schema": {
    async before(broker) {
      await broker.registerSchema("checked", number);
    },
    type: (n) => n % 3 === 0 ? "free" : "checked",
  },
  "its schemas are not compiled yet": {
    before(broker) {
      const schemaRegistry = new JsonSchemaRegistry();
      schemaRegistry.registerSchema("checked", number, "1.0");
      broker.createTopic("t", { schemaRegistry });
    },
  },
  "its topics have registries of their own": {
    before(broker) {
      broker.createTopic("t", { schemaRegistry: ownRegistry() });
      broker.createTopic("u", { schemaRegistry: ownRegistry() });
    },
    topic: (n) => n % 2 === 0 ? "t" : "u",
  },
  "its topic is being made": {
    before(broker) {
      broker.createTopic("t");
    },
  },
  "a subscription is being made": {
    before(broker) {
      broker.subscribe("t", () => {}, { name: "s" });
    },
  },
  "a topic, a schema and a subscription are being made": {
    before(broker) {
      broker.createTopic("t");
      void broker.registerSchema("checked", number);
      broker.subscribe("t", () => {}, { name: "s" });
      broker.subscribe("*", () => {}, { name: "all" });
    },
  },
};

for (const [name, open] of Object.entries(stores)) {
  for (
    const [when, { before, topic = () => "t", type = () => "checked" }] of Object.entries(bursts)
  ) {
    Deno.test(`EventBroker.publish shares appends of a ${name} when ${when}`, async () => {
      const folder = await testFolder("test");
      try {
        await using broker = new EventBroker({
          eventStore: open(folder),
          state: new SqliteState(`${folder}/state.db`),
        });
        await before(broker);
        const published = await Promise.all(
          Array.from({ length: BURST }, (_, n) => broker.publish(topic(n), type(n), n)),
        );
        const appends = broker.journals.batches;
        assert.ok(appends <= FEW, `${BURST} events took ${appends} appends`);
        for (const name of new Set(published.map((event) => event.topic))) {
          const events = published.filter((event) => event.topic === name);
          assert.deepEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1));
          const stored = await broker.getEventStore().getEvents(name);
          assert.deepEqual(
            stored.map(({ payload }) => payload),
            events.map(({ payload }) => payload),
          );
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
}

Deno.test("EventBroker.publish commits a large burst with a schema in few groups, none of them large", async () => {
  const folder = await testFolder("test");
  const path = `${folder}/events.db`;
  let commits = 0;
  const unwatch = watchDatabases({
    used() {},
    committing() {},
    committed: (database) => void (commits += database.location() === path ? 1 : 0),
  });
  try {
    await using broker = new EventBroker({
      eventStore: new SqliteEventStore(path),
      state: new SqliteState(`${folder}/state.db`),
    });
    await broker.registerSchema("checked", number);
    await broker.publish("t", "checked", 0);
    const before = commits;
    const burst = 45_000;
    await Promise.all(Array.from({ length: burst }, (_, n) => broker.publish("t", "checked", n)));
    const took = commits - before;
    assert.ok(took <= FEW, `${burst} events took ${took} commits`);
    // What one commit holds in memory is limited.
    assert.ok(took >= burst / 20_000, `${burst} events took ${took} commits`);
    assert.equal(
      await broker.getEventStore().getEvents("t").then(({ length }) => length),
      burst + 1,
    );
  } finally {
    unwatch();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("EventBroker.publish refuses each payload by itself when a burst waits for its schema", async () => {
  await using broker = new EventBroker();
  const schemaRegistry = new JsonSchemaRegistry();
  schemaRegistry.registerSchema("checked", number, "1.0");
  broker.createTopic("t", { schemaRegistry });
  const settled = await Promise.allSettled(
    Array.from({ length: 100 }, (_, n) => broker.publish("t", "checked", n % 10 === 0 ? "no" : n)),
  );
  const refused = settled.flatMap(({ status }, n) => status === "rejected" ? [n] : []);
  assert.deepEqual(refused, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  assert.ok(broker.journals.batches <= FEW);
});

Deno.test("EventBroker.publish tells each of a burst when its schema is none, and goes on", async () => {
  await using broker = new EventBroker();
  const schemaRegistry = new JsonSchemaRegistry();
  schemaRegistry.registerSchema("checked", { type: "nonsense" }, "1.0");
  broker.createTopic("t", { schemaRegistry });
  const burst = Array.from(
    { length: 50 },
    (_, n) => broker.publish("t", n % 2 ? "checked" : "free", n),
  );
  const settled = await Promise.allSettled(burst);
  assert.deepEqual(
    settled.map(({ status }) => status),
    settled.map((_, n) => n % 2 ? "rejected" : "fulfilled"),
  );
  assert.equal((await broker.publish("t", "free", 1)).seq, 26);
});

Deno.test("EventBroker.publishBatch keeps the order of the calls when schemas and subscriptions are being made", async () => {
  await using broker = new EventBroker();
  void broker.registerSchema("checked", number);
  broker.subscribe("t", () => {}, { name: "s" });
  const batches = await Promise.all(
    Array.from(
      { length: 100 },
      (_, n) =>
        n % 2
          ? broker.publishBatch("t", [{ type: "free", payload: n }, {
            type: "checked",
            payload: n,
          }])
          : broker.publish("t", "checked", n).then((event) => [event]),
    ),
  );
  assert.deepEqual(
    batches.flat().map(({ seq }) => seq),
    Array.from({ length: 150 }, (_, i) => i + 1),
  );
  assert.ok(broker.journals.batches <= FEW);
});
