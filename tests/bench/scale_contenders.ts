/** What keeps events or jobs in PostgreSQL, ours and others, as the benchmark uses each of them. */
import "../../core/broker/shared_modules.ts";
import pg from "pg";
import { EventBroker } from "../../core/broker/event_broker.ts";
import { PostgresState } from "../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../core/store/postgres/postgres_event_store.ts";
import { newEvent } from "../../testing/new_event.ts";
import { Logger, makeWorkerUtils, run } from "../packages/graphile_worker.ts";
import { PgBoss } from "../packages/pg_boss.ts";

/** One of them, on an empty database. */
export interface ScaleContender {
  name: string;
  /** Publishes events a batch at a time, each acknowledged before the next one is sent. */
  publish(batch: number, count: number): Promise<void>;
  /** Takes all that was published and acknowledges it, up to 1,000 at a time; returns how many. */
  takeAll(count: number): Promise<void>;
  close(): Promise<void>;
}

/** About the size of the other benchmarks' payloads. */
const PAYLOAD = JSON.stringify({ user: "x".repeat(40), text: "y".repeat(120) });
const DATA = JSON.parse(PAYLOAD);
const TOGETHER = 1000;

/** The name of ours, which is compared with the others. */
export const OURS = "evs";

/** The driver `pg`, which has no types. */
interface Client {
  connect(): Promise<void>;
  query(query: { text: string; values?: unknown[]; name?: string }): Promise<
    { rows: Record<string, string>[]; rowCount: number }
  >;
  end(): Promise<void>;
}

/** A connection of a contender that is SQL only. */
export async function connected(url: string): Promise<Client> {
  const { Client } = pg as unknown as { Client: new (options: object) => Client };
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}

/** A broker that is a node. */
export async function nodeOn(url: string): Promise<EventBroker> {
  const eventStore = await PostgresEventStore.open(url);
  const broker = new EventBroker({ eventStore, state: await PostgresState.open(url) });
  await broker.ready;
  return broker;
}

/** Events for an append. */
export const eventsFor = (count: number) =>
  Array.from({ length: count }, () => newEvent({ payload: PAYLOAD }));

/** Numbers that make up `count`, each at most `batch`. */
function* batches(batch: number, count: number): Generator<number> {
  for (let left = count; left > 0; left -= batch) yield Math.min(batch, left);
}

/** All of ours: the journal, the store, the queue of a named subscription, and acknowledgements. */
export async function ours(url: string): Promise<ScaleContender> {
  const broker = await nodeOn(url);
  const name = "bench";
  await broker.subscriptions.put(name, { topic: "t", from: "start" });
  const request = { max: TOGETHER, waitMs: 60_000 };
  return {
    name: OURS,
    async publish(batch, count) {
      for (const size of batches(batch, count)) {
        await broker.append({ topic: "t", events: eventsFor(size) });
      }
    },
    async takeAll(count) {
      for (let taken = 0; taken < count;) {
        const reply = await broker.subscriptions.lease(name, request, { consumer: "c" });
        const { settled } = await broker.subscriptions.ack(
          name,
          reply.deliveries.map(({ token }) => token),
        );
        taken += settled;
      }
    },
    close: () => broker.close(),
  };
}

export async function pgBoss(url: string): Promise<ScaleContender> {
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue("q");
  return {
    name: "pg-boss",
    async publish(batch, count) {
      for (const size of batches(batch, count)) {
        if (size === 1) await boss.send("q", DATA);
        else await boss.insert("q", Array.from({ length: size }, () => ({ data: DATA })));
      }
    },
    async takeAll(count) {
      for (let taken = 0; taken < count;) {
        const jobs = await boss.fetch("q", { batchSize: TOGETHER });
        await boss.complete("q", jobs.map(({ id }) => id));
        taken += jobs.length;
      }
    },
    close: () => boss.stop({ graceful: false }),
  };
}

export async function graphileWorker(url: string): Promise<ScaleContender> {
  // It would write a line a job.
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  await utils.migrate();
  return {
    name: "graphile-worker, localQueue",
    async publish(batch, count) {
      for (const size of batches(batch, count)) {
        if (size === 1) await utils.addJob("t", DATA);
        else {
          await utils.addJobs(
            Array.from({ length: size }, () => ({ identifier: "t", payload: DATA })),
          );
        }
      }
    },
    async takeAll(count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let done = 0;
      const worker = {
        localQueue: { size: TOGETHER },
        concurrentJobs: 100,
        completeJobBatchDelay: 1,
        failJobBatchDelay: 1,
      };
      const runner = await run({
        connectionString: url,
        logger,
        noHandleSignals: true,
        taskList: { t: () => void (++done === count && resolve()) },
        preset: { worker },
      });
      await promise;
      await runner.stop();
    },
    close: async () => void await utils.release(),
  };
}

/** The statements of pgmq's functions, which are an extension that is not installed everywhere. */
export async function pgmqSql(url: string): Promise<ScaleContender> {
  const client = await connected(url);
  await client.query({
    text: `CREATE TABLE q (
      msg_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, read_ct int NOT NULL DEFAULT 0,
      enqueued_at timestamptz NOT NULL DEFAULT now(), vt timestamptz NOT NULL, message jsonb)`,
  });
  await client.query({ text: "CREATE INDEX q_vt ON q (vt)" });
  const query = (name: string, text: string, values: unknown[]) =>
    client.query({ name, text, values });
  return {
    name: "pgmq's SQL",
    async publish(batch, count) {
      for (const size of batches(batch, count)) {
        const messages = Array.from({ length: size }, () => PAYLOAD);
        await query(
          "send",
          `INSERT INTO q (vt, message) SELECT clock_timestamp(), unnest($1::jsonb[])
           RETURNING msg_id`,
          [messages],
        );
      }
    },
    async takeAll(count) {
      for (let taken = 0; taken < count;) {
        const { rows } = await query(
          "read",
          `WITH cte AS (SELECT msg_id FROM q WHERE vt <= clock_timestamp() ORDER BY msg_id LIMIT $1
             FOR UPDATE SKIP LOCKED)
           UPDATE q AS m SET vt = clock_timestamp() + interval '30 s', read_ct = read_ct + 1
           FROM cte WHERE m.msg_id = cte.msg_id RETURNING m.*`,
          [TOGETHER],
        );
        await query("delete", "DELETE FROM q WHERE msg_id = ANY ($1::bigint[])", [
          rows.map(({ msg_id }) => msg_id),
        ]);
        taken += rows.length;
      }
    },
    close: () => client.end(),
  };
}

/** Writers that insert with numbers from a sequence: without gaps and order, and so without ours. */
export async function rawInserts(
  url: string,
  { writers, batch, count }: { writers: number; batch: number; count: number },
): Promise<void> {
  const clients = await Promise.all(Array.from({ length: writers }, () => connected(url)));
  const text = "INSERT INTO raw (payload) SELECT unnest($1::text[])";
  const values = [Array.from({ length: batch }, () => PAYLOAD)];
  let left = count;
  await Promise.all(clients.map(async (client) => {
    while ((left -= batch) >= 0) await client.query({ name: "insert", text, values });
    await client.end();
  }));
}
