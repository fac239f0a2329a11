/**
 * The broker on PostgreSQL, as the seed document promises it: `new PostgresEventStore(url)` and
 * nothing else. Several brokers share the events; each has subscriptions and positions of its own.
 */
import assert from "node:assert/strict";
import { type Event, EventBroker, EventSourcedRepository } from "@env/env-event-stream";
import { ConflictError } from "../../../core/base/errors.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { Account } from "../../core/sourcing/account.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A broker and its store. */
function brokerOn(url: string): EventBroker & { store: PostgresEventStore } {
  const store = new PostgresEventStore(url);
  return Object.assign(new EventBroker({ eventStore: store }), { store });
}

async function close(...brokers: { store: PostgresEventStore; close(): Promise<void> }[]) {
  for (const broker of brokers) await broker.close();
  for (const { store } of brokers) await store.close();
}

async function checkpoints(server: PostgresServer): Promise<void> {
  const processed: number[] = [];
  const snapshots: number[] = [];
  const processOrder = (event: Event) => Promise.resolve(void processed.push(event.payload));
  const createOrderSystemSnapshot = () => Promise.resolve(void snapshots.push(processed.length));

  const pgEventStore = new PostgresEventStore(await server.database());

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
}

async function sharesEvents(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const [here, there] = [brokerOn(url), brokerOn(url)];
  const seen: number[] = [];
  there.subscribe("t", (event) => void seen.push(event.payload), { name: "s" });
  await there.publish("t", "x", 0);
  for (let n = 1; n <= 50; n++) await (n % 2 ? here : there).publish("t", "x", n);
  await until(() => seen.length === 51);
  assert.deepEqual(seen, Array.from({ length: 51 }, (_, n) => n));
  // One that starts later reads what is there.
  const late = brokerOn(url);
  const all: number[] = [];
  late.subscribe("t", (event) => void all.push(event.payload), { name: "l", from: "start" });
  await until(() => all.length === 51);
  assert.deepEqual(all, seen);
  await close(here, there, late);
}

async function conflicts(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const [here, there] = [brokerOn(url), brokerOn(url)];
  await here.publish("t", "x", 1, { expected: "none" });
  await assert.rejects(there.publish("t", "x", 2, { expected: "none" }), ConflictError);
  const twice = await Promise.all(
    [here, there].map((broker) => broker.publish("t", "x", 3, { id: "once" })),
  );
  assert.deepEqual(twice.map(({ seq }) => seq), [2, 2]);
  await close(here, there);
}

async function keepsAggregates(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const stores = [new PostgresEventStore(url), new PostgresEventStore(url)];
  const repositories = stores.map((eventStore) =>
    new EventSourcedRepository<Account>((id) => new Account(id), { eventStore })
  );
  await Promise.all(
    [1, 2, 3, 4, 5, 6].map((n) =>
      repositories[n % 2]!.update("a", (account) => account.deposit(n))
    ),
  );
  await repositories[0]!.update("b", (account) => account.deposit(100));
  const account = await repositories[1]!.getById("a");
  assert.deepEqual([account?.version, account?.getState().balance], [6, 21]);
  await Promise.all(stores.map((store) => store.close()));
}

Deno.test("brokers on PostgreSQL", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const step = (name: string, body: (server: PostgresServer) => Promise<void>) =>
    t.step(name, () => body(server));
  await step("Distributed System Configuration of the seed document", checkpoints);
  await step("EventBroker delivers what another one publishes, in order", sharesEvents);
  await step("EventBroker sees another one's events in expectations and ids", conflicts);
  await step(
    "EventSourcedRepository keeps an aggregate that two processes change",
    keepsAggregates,
  );
});
