/**
 * Connections to a real PostgreSQL: one by role, made again after a loss, and what a loss, a
 * deadline and a cancelled wait for a standby are told as.
 */
import assert from "node:assert/strict";
import { migrate } from "../../../core/postgres/migrations.ts";
import { lazyPostgres, openPostgres, type Postgres } from "../../../core/postgres/connection.ts";
import { UnknownOutcomeError } from "../../../core/postgres/errors.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";

const codeOf = (work: Promise<unknown>) =>
  work.then(() => "ok", (error) => (error as { code: string }).code);

/** Waits until the server runs a statement with this text; returns the process. */
async function running(server: PostgresServer, text: string): Promise<number> {
  for (;;) {
    const pid = await server.sql(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE '%${text}%' AND state = 'active'
       AND pid <> pg_backend_pid() LIMIT 1`,
    );
    if (pid.trim() !== "") return Number(pid);
  }
}

async function asksThings(server: PostgresServer): Promise<void> {
  const postgres = await openPostgres(await server.database());
  const [row] = await postgres.query(
    "read",
    "SELECT $1::text AS text, 9007199254740991::bigint AS number, array_length($2::text[], 1) AS n",
    ['ü "\\', ["a", 'b"', ","]],
  );
  assert.deepEqual({ ...row }, { text: 'ü "\\', number: 9007199254740991, n: 3 });
  const LOCK = "SELECT pg_advisory_xact_lock(1)";
  let waits: Promise<unknown> | undefined;
  await postgres.transaction("read", async (query) => {
    await query(LOCK);
    waits = postgres.query("append", LOCK);
    // Roles do not wait for each other.
    await postgres.query("state", "SELECT 1");
  });
  await waits;
  await postgres.close();
  assert.equal(await codeOf(postgres.query("read", "SELECT 1")), "broker/closed");
}

async function rollsBack(server: PostgresServer): Promise<void> {
  const postgres = await openPostgres(await server.database());
  await postgres.query("state", "CREATE TABLE public.t (n int)");
  await assert.rejects(
    postgres.transaction("state", async (query) => {
      await query("INSERT INTO public.t VALUES (1)");
      throw new Error("no");
    }),
    /^Error: no$/,
  );
  await postgres.transaction("state", (query) => query("INSERT INTO public.t VALUES ($1)", [2]));
  assert.deepEqual(await postgres.query("read", "SELECT n FROM public.t"), [{ n: 2 }]);
  await postgres.close();
}

async function tellsLosses(server: PostgresServer): Promise<void> {
  const postgres = await openPostgres(await server.database());
  const lost = async (work: Promise<unknown>, text: string) => {
    const code = codeOf(work);
    const pid = await running(server, text);
    await server.sql(`SELECT pg_terminate_backend(${pid})`);
    return await code;
  };
  const outcomes = [
    await lost(postgres.query("append", "SELECT pg_sleep(20), 'a'"), "sleep(20), ''a"),
    await lost(postgres.query("read", "SELECT pg_sleep(20), 'b'"), "sleep(20), ''b"),
    await lost(postgres.transaction("state", (query) => query("SELECT pg_sleep(20), 'c'")), "''c"),
  ];
  // Only what was sent without a transaction, or with its COMMIT, may have been stored.
  assert.deepEqual(outcomes, [
    "postgres/outcome-unknown",
    "postgres/unavailable",
    "postgres/unavailable",
  ]);
  for (const role of ["append", "read", "state"] as const) {
    assert.equal((await postgres.query(role, "SELECT 1")).length, 1, "it connects again");
  }
  await postgres.close();
}

async function givesUp(server: PostgresServer): Promise<void> {
  const clock = new FakeClock();
  const postgres = lazyPostgres(await server.database(), { clock, deadline: 200 });
  const late = async (role: "append" | "read", text: string) => {
    const code = codeOf(postgres.query(role, `SELECT pg_sleep(20), '${text}'`));
    await running(server, `sleep(20), ''${text}`);
    await clock.pass(200);
    return await code;
  };
  assert.equal(await late("append", "d"), "postgres/outcome-unknown");
  assert.equal(await late("read", "e"), "postgres/unavailable");
  assert.equal(await codeOf(postgres.query("append", "SELECT pg_sleep(0)")), "ok");
  await postgres.close();
}

async function noticesCancelledWaits(server: PostgresServer): Promise<void> {
  const postgres = await openPostgres(await server.database());
  // The warning that PostgreSQL gives when the wait for a standby is cancelled.
  const warns = "DO $$ BEGIN RAISE WARNING 'canceling wait'; END $$";
  await assert.rejects(postgres.query("append", warns), UnknownOutcomeError);
  await assert.rejects(
    postgres.transaction("state", (query) => query("SELECT 1")).then(() =>
      postgres.query("state", warns)
    ),
    UnknownOutcomeError,
  );
  assert.equal(await codeOf(postgres.query("read", warns)), "ok", "nothing was to be stored");
  await postgres.close();
}

async function migratesOnce(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const steps = ["CREATE TABLE evs.one (n int)", "ALTER TABLE evs.one ADD COLUMN m int"];
  const nodes = await Promise.all([1, 2, 3, 4].map(() => openPostgres(url)));
  const at = (postgres: Postgres, count: number) =>
    migrate(postgres, { part: "store", steps: steps.slice(0, count) });
  await Promise.all(nodes.map((postgres) => at(postgres, 1)));
  await Promise.all(nodes.map((postgres, i) => at(postgres, i % 2 + 1)));
  await migrate(nodes[0]!, { part: "state", steps: ["CREATE TABLE evs.two (n int)"] });
  const parts = await nodes[0]!.query("read", "SELECT part, format FROM evs.meta ORDER BY part");
  assert.deepEqual(parts, [{ part: "state", format: 1 }, { part: "store", format: 2 }]);
  await Promise.all(nodes.map((postgres) => postgres.close()));
}

Deno.test("connections to PostgreSQL", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const step = (name: string, body: (server: PostgresServer) => Promise<void>) =>
    t.step(name, () => body(server));
  await step("Postgres asks on a connection of its role", asksThings);
  await step("transaction keeps nothing when its work fails", rollsBack);
  await step("Postgres tells whether a lost statement may have been stored", tellsLosses);
  await step("Postgres gives a statement up when its deadline is over", givesUp);
  await step("Postgres takes a cancelled wait for a standby for no answer", noticesCancelledWaits);
  await step("migrate runs each step once when several nodes start", migratesOnce);
});
