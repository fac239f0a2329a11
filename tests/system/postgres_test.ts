/** A user-written PostgreSQL store against a real server. */
// deno-lint-ignore-file require-await -- the snippet is as users were shown it
/**
 * The PostgreSQL store that a user writes from the seed document, against a PostgreSQL that is
 * really there.
 */
import assert from "node:assert/strict";
import { EventBroker, EventSourcedRepository, UnsupportedError } from "@env/env-event-stream";
import { testEventStore } from "@env/env-event-stream/testing";
import { Account } from "../core/sourcing/account.ts";
import { PostgresClient } from "../helpers/postgres_client.ts";
import { startPostgres } from "../helpers/postgres.ts";
import { PostgresEventStore, TABLE } from "../seed/postgres_event_store.ts";

/** An empty table, and a store on it. */
async function emptyStore(url: string): Promise<PostgresEventStore & AsyncDisposable> {
  const client = new PostgresClient(url);
  await client.query("DROP TABLE IF EXISTS events");
  await client.query(TABLE);
  await client.end();
  const store = new PostgresEventStore(url);
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

Deno.test("testEventStore takes the PostgreSQL store for what it claims", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const tests: { name: string; body: () => Promise<void> }[] = [];
  testEventStore({
    name: "PostgresEventStore",
    create: async () => {
      let store: PostgresEventStore = await emptyStore(server.url);
      return {
        store,
        reopen: async () => {
          await store.close();
          return store = new PostgresEventStore(server.url);
        },
        dispose: () => store.close(),
      };
    },
    // Its query sorts by time alone: it says nothing of events of one millisecond.
    capabilities: { durable: true },
    test: (name, body) => void tests.push({ name, body }),
  });
  assert.ok(tests.length >= 10);
  for (const { name, body } of tests) await t.step(name, body);
});

Deno.test("Creating a Database-Backed Event Store", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });

  await t.step("keeps, finds and deletes events", async () => {
    await using store = await emptyStore(server.url);
    await using broker = new EventBroker({ eventStore: store });
    const payload = { text: 'it\'s "quoted" \\ ü € \u0000', list: [1, 2.5, null], deep: { a: {} } };
    await broker.publish("users", "user.created", payload, {
      id: "first",
      timestamp: 1_700_000_000_123,
      correlationId: "c",
    });
    for (const n of [2, 3, 4]) {
      await broker.publish("users", n % 2 ? "odd" : "even", n, {
        timestamp: n * 1_000_000_000_000,
      });
    }
    await broker.publish("others", "odd", 5);
    const events = await store.getEvents("users");
    assert.deepEqual(events[0], {
      id: "first",
      type: "user.created",
      topic: "users",
      timestamp: 1_700_000_000_123,
      schemaVersion: "1.0",
      payload,
      metadata: { correlationId: "c" },
    });
    const payloads = async (options: object) =>
      (await store.getEvents("users", options)).slice(-2).map((event) => event.payload);
    assert.deepEqual(await payloads({ eventTypes: ["even"] }), [2, 4]);
    assert.deepEqual(
      await payloads({ fromTimestamp: 2_000_000_000_000, toTimestamp: 3_000_000_000_000 }),
      [2, 3],
    );
    assert.deepEqual(await payloads({ fromTimestamp: 2_000_000_000_000, limit: 1 }), [2]);
    assert.equal(await store.deleteEvents("users", 3_000_000_000_000), 2);
    assert.deepEqual(await payloads({}), [3, 4]);
  });

  await t.step("says in words what it cannot do, and loses nothing when it refuses", async () => {
    await using store = await emptyStore(server.url);
    await using broker = new EventBroker({ eventStore: store });
    const seen: number[] = [];
    broker.subscribe("t", ({ payload }) => void seen.push(payload));
    await broker.publish("t", "x", 1, { id: "same" });
    await assert.rejects(broker.publish("t", "x", 2, { expected: 1 }), UnsupportedError);
    await assert.rejects(broker.publish("t", "x", 3, { id: "same" }), (error: Error) => {
      assert.match(error.message, /duplicate key/);
      return true;
    });
    await broker.publish("t", "x", 4);
    await broker.idle();
    assert.deepEqual(seen, [1, 4]);
    assert.deepEqual((await store.getEvents("t")).map(({ payload }) => payload), [1, 4]);
  });

  await t.step("keeps aggregates where one process writes", async () => {
    await using store = await emptyStore(server.url);
    const open = () =>
      new EventSourcedRepository<Account>((id) => new Account(id), {
        eventStore: store,
        singleProcess: true,
      });
    await Promise.all([1, 2, 3, 4].map((n) => open().update("a", (a) => a.deposit(n))));
    await open().update("b", (b) => b.deposit(100));
    const account = await open().getById("a");
    assert.deepEqual([account?.version, account?.getState().balance], [4, 10]);
  });
});

Deno.test("Distributed System Configuration", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const store = await emptyStore(server.url);
  await store.close();
  const processed: number[] = [];
  const snapshots: number[] = [];
  const processOrder = async (event: { payload: number }) => void processed.push(event.payload);
  const createOrderSystemSnapshot = async () => void snapshots.push(processed.length);

  const pgEventStore = new PostgresEventStore(server.url);

  const broker = new EventBroker({ eventStore: pgEventStore });

  const checkpointInterval = 100;
  let eventCount = 0;

  broker.subscribe("orders", async (event) => {
    await processOrder(event);

    eventCount++;

    if (eventCount % checkpointInterval === 0) {
      await createOrderSystemSnapshot();
    }
  });

  await Promise.all(Array.from({ length: 250 }, (_, n) => broker.publish("orders", "placed", n)));
  await broker.idle();
  assert.deepEqual(processed, Array.from({ length: 250 }, (_, n) => n));
  assert.deepEqual(snapshots, [100, 200]);
  assert.equal((await pgEventStore.getEvents("orders")).length, 250);
  await broker.close();
  await pgEventStore.close();
});
