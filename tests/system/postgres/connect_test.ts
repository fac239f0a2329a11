/**
 * `connect("postgres://…")`: a broker of this process that needs no daemon. The seed's distributed
 * configuration, aggregates and projections on it; what it stores is there for the next one.
 */
import assert from "node:assert/strict";
import { AggregateRoot, connect, EventSourcedRepository, Projection } from "../../../mod.ts";
import type { Event } from "../../../mod.ts";
import { certificate } from "../../helpers/certificate.ts";
import { until } from "../../helpers/evs.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";

class Account extends AggregateRoot<{ balance: number }> {
  constructor(id: string) {
    super(id, { balance: 0 });
  }

  deposit(amount: number): void {
    this.recordEvent("deposited", { amount });
  }

  protected applyEvent(event: Event): void {
    if (event.type === "deposited") this.state.balance += event.payload.amount;
  }
}

async function seedSnippet(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const processed: number[] = [];
  const snapshots: number[] = [];
  const processOrder = (event: { payload: number }) =>
    Promise.resolve(void processed.push(event.payload));
  const createOrderSystemSnapshot = () => Promise.resolve(void snapshots.push(processed.length));

  await using broker = await connect(url);

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
  assert.equal((await broker.getEventStore().getEvents("orders")).length, 250);
}

async function eventSourcing(server: PostgresServer): Promise<void> {
  const url = await server.database();
  for (const round of [1, 2]) {
    await using broker = await connect(url);
    const accounts = () =>
      new EventSourcedRepository<Account>((id) => new Account(id), { broker, topic: "accounts" });
    // Each of them loads what it changes, and decides again if another was first.
    await Promise.all([1, 2, 3, 4].map((n) => accounts().update("a", (a) => a.deposit(n))));
    const account = await accounts().getById("a");
    assert.deepEqual([account?.version, account?.getState().balance], [4 * round, 10 * round]);
    const total = new Projection({
      name: "total",
      topic: "accounts",
      initial: { sum: 0 },
      on: { deposited: (state, event) => void (state.sum += event.payload.amount) },
    }, { broker });
    await total.catchUp();
    assert.equal(total.state.sum, 10 * round);
  }
}

async function goesOn(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const handled: number[] = [];
  const handler = ({ payload }: { payload: number }) => {
    if (payload === 2) throw new Error("no stock");
    handled.push(payload);
  };
  const settings = { name: "billing", maxRetries: 0 };
  {
    await using broker = await connect(url);
    broker.subscribe("orders", handler, settings);
    for (const n of [1, 2, 3]) await broker.publish("orders", "placed", n);
    await broker.idle();
  }
  await using broker = await connect(url, { onError: () => {} });
  const [letter] = await broker.getDeadLetterQueue().getEvents({ topic: "orders" });
  assert.equal(letter?.event.payload, 2, "the dead letter is there for the next one");
  broker.subscribe("orders", handler, settings);
  await broker.publish("orders", "placed", 4);
  await broker.idle();
  assert.deepEqual(handled, [1, 3, 4], "what was handled does not come again");
}

async function refuses(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const secret = "correct-horse";
  const wrong = url.replace("evs@", `evs:${secret}@`).replace(/\/test_\d+$/, "/none");
  await assert.rejects(connect(wrong), (error: Error & { code?: string }) => {
    assert.equal(error.code, "postgres/no-database");
    assert.ok(!`${error.message}${error.stack}${JSON.stringify(error)}`.includes(secret));
    return true;
  });
  await assert.rejects(connect("mysql://h/d"), { code: "postgres/invalid-url" });
  await assert.rejects(connect(`${url}#x`), { code: "postgres/invalid-url" });
  await assert.rejects(connect(url, { socket: "/s" } as never), { code: "argument/invalid" });
  const empty = await server.database();
  const schema = "SELECT count(*) FROM pg_namespace WHERE nspname = 'evs'";
  await assert.rejects(connect(`${empty}?sslmode=require`), { code: "postgres/invalid-url" });
  assert.equal((await server.sql(schema, new URL(empty).pathname.slice(1))).trim(), "0");
  await using broker = await connect(url);
  await using another = await connect(url);
  await another.publish("t", "n", 0);
  await broker.publish("t", "n", 1);
}

async function verifies(server: PostgresServer, ca: string): Promise<void> {
  const plain = new URL(await server.database());
  plain.hostname = "localhost";
  const url = `${plain}?sslmode=verify-full`;
  // Nobody vouches for it but itself.
  await assert.rejects(connect(url), { code: "postgres/tls" });
  await assert.rejects(connect(url, { ca: "ca.pem" }), { code: "postgres/no-certificate" });
  await using broker = await connect(url, { ca });
  await broker.publish("t", "n", 1);
  const encrypted = `SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
    WHERE datname = '${plain.pathname.slice(1)}'`;
  assert.equal((await server.sql(encrypted)).trim(), "t", "its store and its state");
}

async function leavesNothing(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const database = new URL(url).pathname.slice(1);
  {
    await using broker = await connect(url);
    await broker.registerSchema("placed", { type: "object" });
  }
  await server.sql(`UPDATE evs.schemas SET schema = '{"type":7}'`, database);
  await assert.rejects(connect(url), { code: "schema/invalid" });
  const sessions = `SELECT count(*) FROM pg_stat_activity
    WHERE datname = '${database}' AND application_name LIKE 'evs %'`;
  // The server notices some moments later.
  await until(async () => (await server.sql(sessions)).trim() === "0");
}

Deno.test("connect makes a broker on PostgreSQL", async (t) => {
  const { cert, key } = await certificate("DNS:localhost");
  await using server = await startPostgres({
    settings: { fsync: "off", ssl: "on" },
    files: { "server.crt": cert, "server.key": key },
  });
  await t.step("that runs the seed's distributed configuration", () => seedSnippet(server));
  await t.step("that keeps aggregates and feeds projections", () => eventSourcing(server));
  await t.step("that goes on where the last one ended", () => goesOn(server));
  await t.step("unless it cannot be used", () => refuses(server));
  await t.step("that verifies the server by `ca`", () => verifies(server, cert));
  await t.step("that is closed if it cannot begin", () => leavesNothing(server));
});
