/** The published suite for event stores, on a PostgreSQL that is really there. */
import assert from "node:assert/strict";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { systemClock } from "../../../core/base/clock.ts";
import { testEventStore } from "../../../testing/event_store.ts";
import { startPostgres } from "../../helpers/postgres.ts";

const START = 1_700_000_000_000;

Deno.test("testEventStore takes the PostgreSQL event store", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const { url } = server;
  const postgres = await openPostgres(url);
  const tests: { name: string; body: () => Promise<void> }[] = [];
  testEventStore({
    name: "PostgresEventStore",
    create: async () => {
      await postgres.query("state", "DROP SCHEMA IF EXISTS evs CASCADE");
      let now = START;
      const clock = { ...systemClock, now: () => now };
      const open = () => PostgresEventStore.open({ url, clock });
      let store = await open();
      return {
        store,
        reopen: async () => {
          await store.close();
          return store = await open();
        },
        advance: (ms) => void (now += ms),
        dispose: () => store.close(),
      };
    },
    capabilities: {
      sequences: true,
      atomic: true,
      durable: true,
      dedupWindow: true,
      keyCounts: true,
      redaction: true,
      expiry: true,
    },
    test: (name, body) => void tests.push({ name, body }),
  });
  assert.ok(tests.length >= 40);
  for (const { name, body } of tests) await t.step(name, body);
  await postgres.close();
});
