/**
 * `publishIn`: an event that is written in a transaction of the application is published once if
 * that commits, and never if it does not, with both drivers and whatever breaks meanwhile; a
 * transaction that is open for long holds up nobody.
 */
import assert from "node:assert/strict";
import pg from "pg";
import {
  connect,
  type Event,
  EventBroker,
  InvalidArgumentError,
  MemoryEventStore,
  type OutboxTransaction,
  PostgresEventStore,
  UnsupportedError,
} from "../../../mod.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import postgres from "../../packages/postgres.ts";

/** What the tests use of the driver `pg`, which has no types. */
interface Client {
  connect(): Promise<void>;
  query(text: string, values?: unknown[]): Promise<unknown>;
  end(): Promise<void>;
}
interface Pool {
  connect(): Promise<Client & { release(): void }>;
  query: Client["query"];
  end(): Promise<void>;
}
const drivers = pg as unknown as {
  Client: new (options: object) => Client;
  Pool: new (options: object) => Pool;
};

const TRANSACTIONS = dose(100);
const KILLS = dose(8, 30);
const WRITERS = 4;

/** Resolves once `holds`; never rejects. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A broker on the database, and the errors that it told. */
function brokerOn(url: string, options: { autoCreateTopics?: boolean } = {}) {
  const store = new PostgresEventStore(url);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const broker = new EventBroker({ eventStore: store, onError, ...options });
  const close = async () => {
    await broker.close();
    await store.close();
  };
  return { broker, store, errors, [Symbol.asyncDispose]: close };
}

async function eventsOf(store: PostgresEventStore, topic = "t"): Promise<Event[]> {
  return await store.getEvents(topic);
}

const isEmpty = async (server: PostgresServer, database: string) =>
  (await server.sql("SELECT count(*) FROM evs.outbox", database)).trim() === "0";
const nameOf = (url: string) => new URL(url).pathname.slice(1);

/** How an application runs a transaction: by either driver. */
type Transact = (work: (tx: OutboxTransaction) => Promise<void>) => Promise<void>;

/** One application with a connection of each driver. */
async function application(url: string) {
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  const client = new drivers.Client({ connectionString: url });
  await client.connect();
  const byPostgres: Transact = async (work) => void await sql.begin((tx) => work(tx));
  const byPg: Transact = async (work) => {
    await client.query("BEGIN");
    try {
      await work(client);
      await client.query("COMMIT");
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    }
  };
  const close = async () => {
    await sql.end();
    await client.end();
  };
  return { sql, client, byPostgres, byPg, [Symbol.asyncDispose]: close };
}

class Abandoned extends Error {}

/** Writes a row and some events; half of the transactions are given up. */
async function transaction(
  { broker, transact, number, writer }: {
    broker: EventBroker;
    transact: Transact;
    number: number;
    writer: number;
  },
): Promise<void> {
  const abandons = Math.random() < 0.5;
  const count = 1 + Math.floor(Math.random() * 3);
  try {
    await transact(async (tx) => {
      const run = "unsafe" in tx ? tx.unsafe.bind(tx) : tx.query.bind(tx);
      await run("INSERT INTO public.app (number, events) VALUES ($1, $2)", [number, count]);
      for (let i = 0; i < count; i++) {
        const topic = `t${i % 2}`;
        const event = await broker.publishIn(tx, topic, "made", { number, i }, {
          key: `w${writer}`,
        });
        assert.equal(event.seq, undefined);
      }
      if (abandons) throw new Abandoned();
    });
  } catch (error) {
    if (!(error instanceof Abandoned)) throw error;
  }
}

/** Ends the connection that is moving events, now and then when there is one. */
async function endMovers(server: PostgresServer, killed: { times: number; isOver: boolean }) {
  while (!killed.isOver && killed.times < KILLS) {
    const out = await server.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'evs append' AND state = 'active' AND query LIKE '%move_outbox%'`,
    );
    killed.times += out.split("t").length - 1;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
  }
}

async function publishesWhatCommits(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const database = nameOf(url);
  await using one = brokerOn(url);
  await using two = brokerOn(url);
  await Promise.all([one.store.refresh(), two.store.refresh()]);
  // Between the append and its commit there is time to be killed.
  await server.sql(
    `CREATE TABLE public.app (number int PRIMARY KEY, events int NOT NULL);
     CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
       $$BEGIN PERFORM pg_catalog.pg_sleep(0.02); RETURN NULL; END$$;
     CREATE TRIGGER slow AFTER INSERT ON evs.events EXECUTE FUNCTION public.slow()`,
    database,
  );
  let next = 0;
  const killed = { times: 0, isOver: false };
  const write = async (writer: number) => {
    await using app = await application(url);
    const { broker } = writer % 2 ? one : two;
    // Longer, if nobody was killed until then.
    while (next < TRANSACTIONS || killed.times === 0) {
      const number = next++;
      const transact = Math.random() < 0.5 ? app.byPostgres : app.byPg;
      await transaction({ broker, transact, number, writer });
    }
  };
  const killing = endMovers(server, killed);
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  await until(() => isEmpty(server, database));
  killed.isOver = true;
  await killing;
  await assertSame(server, { database, store: one.store, transactions: next });
}

/** Each row has all its events, once and in order; what was given up has none. */
async function assertSame(
  server: PostgresServer,
  { database, store, transactions }: {
    database: string;
    store: PostgresEventStore;
    transactions: number;
  },
): Promise<void> {
  const rows = (await server.sql("SELECT number, events FROM public.app ORDER BY 1", database))
    .trim().split("\n").map((line) => line.split("|").map(Number));
  assert.ok(rows.length > 0 && rows.length < transactions, `${rows.length} were committed`);
  const events = [...await eventsOf(store, "t0"), ...await eventsOf(store, "t1")];
  const stored = events.map(({ payload: { number, i } }) => `${number}/${i}`).sort();
  const meant = rows.flatMap(([number, count]) =>
    Array.from({ length: count! }, (_, i) => `${number}/${i}`)
  );
  assert.deepEqual(stored, meant.sort());
  // Transactions of one writer follow each other, and so do their events of a key.
  for (const [key, own] of Map.groupBy(events, ({ topic, key }) => `${topic} ${key}`)) {
    const numbers = own.map(({ payload: { number, i } }) => number * 10 + i);
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), key);
    assert.deepEqual(own.map(({ keySeq }) => keySeq), own.map((_, at) => at + 1));
  }
  assert.deepEqual(store.damage(), []);
}

async function holdsUpNobody(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using here = brokerOn(url);
  await using app = await application(url);
  const seen: string[] = [];
  here.broker.subscribe("t", ({ payload }) => void seen.push(payload));
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>();
  const { promise: written, resolve: isWritten } = Promise.withResolvers<void>();
  const open = app.byPostgres(async (tx) => {
    await here.broker.publishIn(tx, "t", "x", "slow", { key: "k" });
    isWritten();
    await mayCommit;
  });
  await written;
  await app.byPg(async (tx) => {
    await here.broker.publishIn(tx, "t", "x", "quick", { key: "k" });
  });
  await here.broker.publish("t", "x", "direct");
  await until(() => seen.includes("quick") && seen.includes("direct"));
  assert.ok(!seen.includes("slow"), "it is published before its transaction has committed");
  commit();
  await open;
  await until(() => seen.includes("slow"));
  assert.equal(seen.length, 3);
}

async function refuses(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using here = brokerOn(url);
  const { broker } = here;
  await using app = await application(url);
  const pool = new drivers.Pool({ connectionString: url });
  await assert.rejects(
    broker.publishIn(app.sql, "t", "x", 1),
    { name: "InvalidArgumentError", message: /in a transaction, and this is none/ },
  );
  for (const tx of [pool, app.client, {}, undefined, "tx"]) {
    await assert.rejects(
      broker.publishIn(tx as OutboxTransaction, "t", "x", 1),
      InvalidArgumentError,
    );
  }
  for (
    const options of [{ expected: "none" as const }, { schedule: { delayMs: 1 } }, { ttlMs: 5 }]
  ) {
    const field = Object.keys(options)[0]!;
    await assert.rejects(
      app.byPg(async (tx) => void await broker.publishIn(tx, "t", "x", 1, options)),
      (error: InvalidArgumentError) =>
        error instanceof InvalidArgumentError && error.details?.["field"] === field &&
        error.message.startsWith(`publishIn takes no ${field}: `),
    );
  }
  broker.createTopic("passing", { persistent: false });
  await assert.rejects(
    app.byPg(async (tx) => void await broker.publishIn(tx, "passing", "x", 1)),
    { name: "UnsupportedError", message: /passing stores nothing/ },
  );
  const elsewhere = postgres(await server.database(), { max: 1, onnotice: () => {} });
  await assert.rejects(
    elsewhere.begin((tx) => broker.publishIn(tx, "t", "x", 1)),
    { name: "CannotStoreError", message: /has no table evs\.outbox/ },
  );
  await server.sql("CREATE ROLE stranger LOGIN", nameOf(url));
  const stranger = postgres(url.replace("evs@", "stranger@"), { max: 1 });
  await assert.rejects(
    stranger.begin((tx) => broker.publishIn(tx, "t", "x", 1)),
    { name: "CannotStoreError", message: /may not write to evs\.outbox/ },
  );
  await server.sql(
    "GRANT USAGE ON SCHEMA evs TO stranger; GRANT INSERT ON evs.outbox TO stranger",
    nameOf(url),
  );
  await stranger.begin((tx) => broker.publishIn(tx, "t", "x", "let in"));
  await until(async () => (await eventsOf(here.store)).length === 1);
  await Promise.all([elsewhere.end(), stranger.end(), pool.end()]);
  await using memory = new EventBroker({ eventStore: new MemoryEventStore() });
  await assert.rejects(
    app.byPg(async (tx) => void await memory.publishIn(tx, "t", "x", 1)),
    (error: UnsupportedError) => error.code === "store/no-outbox",
  );
  assert.deepEqual(await memory.getEventStore().getEvents("t"), []);
}

async function checksSchemas(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using here = brokerOn(url);
  await using app = await application(url);
  await here.broker.registerSchema("x", { type: "number" });
  await assert.rejects(
    app.byPostgres(async (tx) => void await here.broker.publishIn(tx, "t", "x", "no number")),
    { name: "EventRefusedError" },
  );
  let written: Event | undefined;
  await app.byPostgres(async (tx) => {
    written = await here.broker.publishIn(tx, "t", "x", 7, { source: "app" });
  });
  await until(async () => (await eventsOf(here.store)).length > 0);
  const [event] = await eventsOf(here.store);
  assert.deepEqual(event, { seq: 1, ...written });
  assert.deepEqual([event!.schemaVersion, event!.metadata], ["1.0", { source: "app" }]);
}

async function recognizesRepeats(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using here = brokerOn(url);
  await using app = await application(url);
  await here.broker.publish("t", "x", 1, { id: "a" });
  await app.byPg(async (tx) => {
    for (const id of ["a", "b", "b", "c"]) await here.broker.publishIn(tx, "t", "x", 2, { id });
  });
  await until(() => isEmpty(server, nameOf(url)));
  const events = await eventsOf(here.store);
  assert.deepEqual(events.map(({ id, payload }) => `${id}${payload}`), ["a1", "b2", "c2"]);
}

async function leavesItToOne(server: PostgresServer): Promise<void> {
  const url = await server.database();
  // Without a broker nobody looks.
  const store = await PostgresEventStore.open(url);
  await server.sql("INSERT INTO evs.producers (producer) VALUES ('outbox')", nameOf(url));
  const mover = postgres(url, { max: 1 });
  await mover.begin(async (tx) => {
    await tx`SELECT 1 FROM evs.producers WHERE producer = 'outbox' FOR UPDATE`;
    assert.equal(await store.outbox.move("t"), undefined);
  });
  assert.deepEqual(await store.outbox.move("t"), { count: 0 });
  await mover.end();
  await store.close();
}

async function leavesWhatChanged(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await (await PostgresState.open(url)).close();
  const store = await PostgresEventStore.open(url);
  await using app = await application(url);
  await app.byPg((tx) => store.outbox.put(tx, "t", newEvent()));
  // Another node has removed the topic: there is no record of it.
  assert.equal(await store.outbox.move("t", 5), undefined);
  assert.deepEqual(await store.outbox.topics(), ["t"]);
  assert.equal(store.head("t").lastSeq, 0);
  const moved = await store.outbox.move("t");
  assert.deepEqual(moved?.appended, { topic: "t", firstSeq: 1, lastSeq: 1 });
  await store.close();
}

async function worksOnNodes(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using one = await connect(url);
  await using two = await connect(url);
  await using app = await application(url);
  const seen: string[] = [];
  const handler = ({ topic, payload }: Event) => void seen.push(`${topic}${payload}`);
  for (const broker of [one, two]) broker.subscribe("*", handler, { name: "s", from: "start" });
  // Each on a topic that the other has to learn of, and in a topic that was removed in between.
  await app.byPostgres(async (tx) => {
    await one.publishIn(tx, "a", "x", 1);
    await two.publishIn(tx, "b", "x", 2);
    await one.publishIn(tx, "b", "x", 3);
  });
  await until(() => seen.length === 3);
  await two.topics.remove("a");
  await app.byPg(async (tx) => void await one.publishIn(tx, "a", "x", 4));
  await until(() => seen.length === 4);
  assert.deepEqual(seen.toSorted(), ["a1", "a4", "b2", "b3"]);
  assert.ok(await isEmpty(server, nameOf(url)));
}

async function followsTopics(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using app = await application(url);
  {
    // Without a broker nobody appends it before the topic is removed.
    const store = await PostgresEventStore.open(url);
    await app.byPg((tx) => store.outbox.put(tx, "removed", newEvent()));
    await app.byPg((tx) => store.outbox.put(tx, "known", newEvent()));
    await store.removeTopic("removed");
    assert.deepEqual(await store.outbox.topics(), ["known"]);
    await store.close();
  }
  {
    await using closed = brokerOn(url);
    await app.byPg(async (tx) => {
      for (const topic of ["unknown", "known"]) {
        await closed.broker.publishIn(tx, topic, "x", 1);
      }
      await closed.broker.close();
    });
  }
  await using strict = brokerOn(url, { autoCreateTopics: false });
  await strict.broker.topics.define("known", {});
  await until(async () => (await eventsOf(strict.store, "known")).length === 2);
  await until(() => strict.errors.some((error) => /there is no topic unknown/.test(`${error}`)));
  assert.deepEqual(await strict.store.outbox.topics(), ["unknown"]);
}

let server: PostgresServer;
Deno.test.beforeAll(async () => {
  server = await startPostgres({ settings: { fsync: "off" } });
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

Deno.test("publishIn publishes once what commits, and nothing else, while movers are killed", () =>
  publishesWhatCommits(server));
Deno.test("publishIn holds up nobody when its transaction stays open", () => holdsUpNobody(server));
Deno.test("publishIn refuses in words what it cannot do", () => refuses(server));
Deno.test("publishIn checks the schema when the event is written", () => checksSchemas(server));
Deno.test("publishIn stores once an id that is repeated", () => recognizesRepeats(server));
Deno.test("move passes by when another process moves", () => leavesItToOne(server));
Deno.test("move leaves events in the outbox when another node has changed the topic", () =>
  leavesWhatChanged(server));
Deno.test("publishIn works on nodes that share topics", () => worksOnNodes(server));
Deno.test("the outbox forgets removed topics, and keeps what a topic does not take", () =>
  followsTopics(server));
