/**
 * The doctor on a PostgreSQL database: damaged and missing rows, settings that make an
 * acknowledgement less than durable, old snapshots, nodes, an outbox that nobody empties. It changes
 * nothing.
 */
import assert from "node:assert/strict";
import type { Diagnosis } from "../../../core/doctor/checks/diagnosis.ts";
import { examineDatabase } from "../../../core/doctor/postgres/doctor.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { fill } from "../../../testing/new_event.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";
import postgres from "../../packages/postgres.ts";

let server: PostgresServer;
Deno.test.beforeAll(async () => {
  // Autovacuum holds a snapshot now and then; here it begins a day later.
  const settings = { max_prepared_transactions: "2", autovacuum_naptime: "86400" };
  server = await startPostgres({ settings });
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

async function findings(
  url: string,
  { quick = false, ...rest }: { quick?: boolean; oldSnapshot?: number } = {},
): Promise<Diagnosis[]> {
  const options = { quick, version: "1.2.3", ...rest };
  return await Array.fromAsync(examineDatabase(url, options));
}

const nameOf = (url: string) => new URL(url).pathname.slice(1);
/** Those of a check as lines. */
const linesOf = (found: readonly Diagnosis[], check: string) =>
  found.filter((one) => one.check === check)
    .map(({ level, where, what }) => `${level} ${where}: ${what}`);

/** A database with ten events on a topic, and more than a page of them on another. */
async function filled(): Promise<string> {
  const url = await server.database();
  const store = await PostgresEventStore.open(url);
  await fill(store, "a", 10);
  await fill(store, "b", 1100);
  await store.close();
  await (await PostgresState.open(url)).close();
  return url;
}

Deno.test("doctor finds nothing on a database that is intact, and changes nothing", async () => {
  const url = await filled();
  const dump = () => server.sql("SELECT xmin, e FROM evs.events AS e ORDER BY 2", nameOf(url));
  const before = await dump();
  const found = await findings(url);
  assert.deepEqual(found.filter(({ level }) => level !== "ok"), []);
  assert.deepEqual(linesOf(found, "events"), ["ok events: 1,110 events intact"]);
  assert.deepEqual(linesOf(found, "standbys"), [
    "ok standbys: there is no standby: what is acknowledged is lost with the machine",
  ]);
  assert.equal(await dump(), before);
});

Deno.test("doctor names each event whose row was changed or is missing", async () => {
  const url = await filled();
  await server.sql(
    `UPDATE evs.events SET payload = '{"n":0}'
     WHERE seq = 3 AND topic_id = (SELECT topic_id FROM evs.topics WHERE name = 'a');
     DELETE FROM evs.events
     WHERE seq IN (5, 6, 1050) AND topic_id = (SELECT topic_id FROM evs.topics WHERE name = 'b')`,
    nameOf(url),
  );
  assert.deepEqual(linesOf(await findings(url), "events"), [
    "damage a: seq 3: the row does not match its checksum",
    "damage b: seqs 5 to 6: the row is missing",
    "damage b: seq 1050: the row is missing",
    "ok events: 1,106 events intact",
  ]);
  assert.deepEqual(linesOf(await findings(url, { quick: true }), "events"), []);
  const ends = `UPDATE evs.topics SET last_seq = 9 WHERE name = 'a';
    UPDATE evs.blocks SET last_seq = 9 WHERE topic_id = (
      SELECT topic_id FROM evs.topics WHERE name = 'a')`;
  await server.sql(ends, nameOf(url));
  assert.match(linesOf(await findings(url, { quick: true }), "events")[0]!, /^damage a: the last/);
});

Deno.test("doctor warns of settings that make an acknowledgement less than durable", async () => {
  const url = await filled();
  await server.sql(`ALTER DATABASE ${nameOf(url)} SET synchronous_commit = off`);
  assert.deepEqual(linesOf(await findings(url, { quick: true }), "durability"), [
    "warning synchronous_commit: synchronous_commit is off: a power cut loses the last moments of " +
    "what was acknowledged",
  ]);
  await server.sql(`ALTER DATABASE ${nameOf(url)} SET synchronous_commit = on`);
  await server.sql("ALTER SYSTEM SET synchronous_standby_names = 'gone'");
  await server.sql("SELECT pg_reload_conf()");
  try {
    const isSet = async () =>
      (await server.sql("SHOW synchronous_standby_names")).trim() === "gone";
    while (!await isSet());
    const [line] = linesOf(await findings(url, { quick: true }), "standbys");
    assert.match(line!, /^damage standbys: .* no such standby is connected: commits wait/);
  } finally {
    await server.sql("ALTER SYSTEM RESET synchronous_standby_names");
    await server.sql("SELECT pg_reload_conf()");
  }
});

Deno.test("doctor names who holds an old snapshot, and how to end it", async () => {
  const url = await filled();
  await server.sql("BEGIN; CREATE TABLE public.x (); PREPARE TRANSACTION 'forgotten'", nameOf(url));
  const sql = postgres(url, { max: 1, connection: { application_name: "report" } });
  await sql.begin("ISOLATION LEVEL REPEATABLE READ", async (tx) => {
    await tx`SELECT 1 FROM evs.topics`;
    // Young ones are nobody's concern.
    assert.deepEqual(linesOf(await findings(url, { quick: true }), "snapshots"), [
      "ok snapshots: nobody holds an old snapshot",
    ]);
    const old = (await findings(url, { quick: true, oldSnapshot: 0 }))
      .filter(({ check, level }) => check === "snapshots" && level === "warning");
    assert.deepEqual(old.map(({ where }) => where).sort(), ["forgotten", "report"]);
    const [session, prepared] = ["report", "forgotten"].map((name) =>
      old.find(({ where }) => where === name)!
    );
    assert.match(session!.what, /^a transaction of report is open for .* \(idle in transaction\)/);
    assert.match(session!.hint!, /^SELECT pg_terminate_backend\(\d+\)/);
    assert.match(prepared!.hint!, /ROLLBACK PREPARED 'forgotten'/);
  });
  await sql.end();
  await server.sql("ROLLBACK PREPARED 'forgotten'", nameOf(url));
});

Deno.test("doctor names nodes of other versions, nodes that are gone, and what nobody appends", async () => {
  const url = await filled();
  await server.sql(
    `INSERT INTO evs.nodes (node, seen, version, draining, at) VALUES
       ('one', now(), '1.2.3', false, now()), ('two', now(), '1.3.0', true, now()),
       ('silent', now() - interval '1 minute', '1.2.3', false, now()),
       ('gone', now() - interval '1 hour', '1.2.3', false, now());
     -- It has work to do: for evs node list it is gone after 10 s, too.
     INSERT INTO evs.members VALUES ('s', 'silent', true);
     INSERT INTO evs.claims (subscription, part, node, epoch, rev, claimed_at)
       VALUES ('s', 0, 'gone', 1, 0, now() - interval '1 hour');
     INSERT INTO evs.outbox
       (topic, at, id, type, slot, ts, schema_version, metadata, payload, crc)
     SELECT t, now() - age, 'id', 'x', 0, 0, '1.0', '{}', '1', 0
     FROM (VALUES ('late', interval '1 hour'), ('soon', interval '1 second')) AS o (t, age)`,
    nameOf(url),
  );
  const found = await findings(url, { quick: true });
  assert.deepEqual(linesOf(found, "nodes"), [
    "warning gone: the node said nothing for 60 min and owns 1 part, which nobody has taken over",
    "warning two: the node has version 1.3.0, this is 1.2.3",
    "warning two: the node is drained: it delivers nothing",
    "ok nodes: 2 nodes: one, two; gone: gone, silent",
  ]);
  assert.deepEqual(linesOf(found, "outbox"), [
    "warning late: 1 event in the outbox, the oldest for 60 min",
  ]);
});

Deno.test("doctor says what keeps it from looking when the database is none of ours", async () => {
  const url = await server.database();
  const found = await findings(url);
  assert.match(linesOf(found, "database")[0]!, /^damage .*no daemon has used it yet/);
  assert.deepEqual(linesOf(found, "events"), []);
  assert.equal(linesOf(found, "durability").length, 1);
  const away = await findings(url.replace(`:${server.port}`, ":1"));
  assert.equal(away.length, 1);
  assert.match(linesOf(away, "database")[0]!, /^warning .*cannot be used now/);
  assert.equal((await findings(url)).length, found.length);
});

Deno.test("doctor looks at the database of a daemon, whether that runs or not", async () => {
  const url = await server.database();
  await using place = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", url]);
  await place.ok(["publish", "orders", "placed", "--ndjson"], '{"n":1}\n{"n":2}\n');
  const running = await place.json(["doctor"]);
  assert.deepEqual(running.filter(({ level }) => level !== "ok"), []);
  assert.deepEqual(running.at(-1), {
    check: "events",
    level: "ok",
    where: "events",
    what: "2 events intact",
  });
  await place.ok(["daemon", "stop"]);
  await server.sql("UPDATE evs.events SET type = 'other' WHERE seq = 2", nameOf(url));
  const { code, stdout } = await place.run(["doctor"]);
  assert.equal(code, 1);
  assert.match(stdout, /"damage","where":"orders","what":"seq 2: the row does not match/);
});
