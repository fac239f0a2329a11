/**
 * Contract row 12: a database goes on where an older version left it, and has the same tables and
 * functions afterwards as one that is new. The fixtures are in tests/fixtures.
 */
import assert from "node:assert/strict";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { EventBroker, PostgresEventStore, PostgresState } from "../../../mod.ts";
import { until } from "../../helpers/evs.ts";
import { packedText } from "../../helpers/fixture.ts";
import { endServer, theServer } from "./states.ts";

Deno.test.afterAll(endServer);

/** What each older version left; all were filled by tests/fixtures/make_database.ts. */
const DATABASES = ["database-1"];

/** As long as these files may be kept, ms. */
const DEDUP_WINDOW = 1e12;

/** Everything in the schema, as text. */
const SHAPE = `
  SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
    AS line FROM information_schema.columns WHERE table_schema = 'evs'
  UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'evs'
  UNION ALL SELECT format('%s %s', viewname, definition) FROM pg_views WHERE schemaname = 'evs'
  UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'evs'::regnamespace
  UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'evs'::regnamespace
  UNION ALL SELECT format('%s %s', part, format) FROM evs.meta
  ORDER BY line`;

/** A database with what a file of statements makes. */
async function databaseOf(text?: string): Promise<string> {
  const url = await (await theServer()).database();
  if (text === undefined) return url;
  const postgres = await openPostgres(url);
  try {
    await postgres.query("state", text);
  } finally {
    await postgres.close();
  }
  return url;
}

async function openBroker(url: string) {
  const errors: unknown[] = [];
  const state = await PostgresState.open(url);
  const eventStore = await PostgresEventStore.open({ url, dedupWindow: DEDUP_WINDOW });
  const onError = (error: unknown) => errors.push(error);
  const broker = new EventBroker({ state, eventStore, dedupWindow: DEDUP_WINDOW, onError });
  await broker.ready;
  return { broker, store: eventStore, errors };
}

async function shapeOf(url: string): Promise<string[]> {
  await (await openBroker(url)).broker.close();
  const postgres = await openPostgres(url);
  try {
    return (await postgres.query<{ line: string }>("read", SHAPE)).map(({ line }) => line);
  } finally {
    await postgres.close();
  }
}

for (const name of DATABASES) {
  Deno.test(`${name} has the tables and functions of a new database once it is opened`, async () => {
    const [older, fresh] = [
      await databaseOf(await packedText(`${name}.sql.gz`)),
      await databaseOf(),
    ];
    assert.deepEqual(await shapeOf(older), await shapeOf(fresh));
  });

  Deno.test(`EventBroker goes on where ${name} ended`, async () => {
    const { broker, store, errors } = await openBroker(
      await databaseOf(await packedText(`${name}.sql.gz`)),
    );
    try {
      assert.deepEqual(broker.topics.names().sort(), ["checks", "later", "orders", "short"]);
      assert.deepEqual(store.head("orders"), { firstSeq: 1, lastSeq: 25, bytes: 1046 });
      assert.deepEqual(store.head("short"), { firstSeq: 5, lastSeq: 9, bytes: 15 });
      const { scheduled } = await broker.scheduledEvents();
      assert.deepEqual(scheduled.map(({ id }) => id), ["reminder", "alone"]);
      const retried: unknown[] = [];
      const later = broker.subscribe(
        "checks",
        ({ seq }, { attempt }) => void retried.push([seq, attempt]),
        { name: "later" },
      );
      await later.ready;
      await later.retryNow();
      await until(() => retried.length > 0);
      assert.deepEqual(retried, [[1, 2]]);

      // Numbers go on, and what was known is known.
      const known = await broker.publish("orders", "x", 0, { id: "cancel-7", key: "7" });
      const next = await broker.publish("orders", "order.placed", { n: 26 }, { key: "1" });
      assert.deepEqual([known.seq, next.seq, next.keySeq], [25, 26, 6]);
      assert.equal((await broker.publish("short", "s", 10)).seq, 10);
      assert.deepEqual(await broker.retain(), [{ topic: "short", removed: 1 }]);
      assert.deepEqual(store.head("short"), { firstSeq: 6, lastSeq: 10, bytes: 16 });
      await assert.rejects(broker.publish("checks", "order.checked", { n: "one" }));

      const handled: number[] = [];
      broker.subscribe("orders", ({ seq }) => void handled.push(seq!), { name: "mailer" });
      await until(() => handled.length === 1);
      await broker.deadLetters.retry({ all: true });
      await until(() => handled.length === 4);
      assert.deepEqual(handled.toSorted((a, b) => a - b), [3, 5, 24, 26]);
      assert.deepEqual(errors, []);
    } finally {
      await broker.close();
    }
  });
}
