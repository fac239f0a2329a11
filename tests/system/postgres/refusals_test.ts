/**
 * Databases that cannot be used are refused in words and with a code, before anything is written:
 * a wrong password, name, encoding or schema, missing rights, a certificate that nobody vouches for,
 * a pooler. No error has the password. Functions of other users of the database are not called.
 */
import assert from "node:assert/strict";
import { WakeUps } from "../../../core/postgres/wake_ups.ts";
import { readTarget } from "../../../core/postgres/url.ts";
import {
  PostgresEventStore,
  type PostgresStoreOptions,
} from "../../../core/store/postgres/postgres_event_store.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { put } from "../../core/state/group_letters.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import { certificate } from "../../helpers/certificate.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { startPostgresProxy } from "../../helpers/postgres_proxy.ts";

const PASSWORD = "correct horse/battery@staple";

/** The error of opening a store. */
async function refusal(connection: string | PostgresStoreOptions): Promise<Error> {
  let store: PostgresEventStore;
  try {
    store = await PostgresEventStore.open(connection);
  } catch (error) {
    return error as Error;
  }
  await store.close();
  throw new Error("it was opened");
}

async function assertRefused(
  connection: string | PostgresStoreOptions,
  code: string,
  words: RegExp,
): Promise<void> {
  const error = await refusal(connection) as Error & { code: string; exit: number; hint: string };
  assert.equal(error.code, code, error.stack);
  assert.match(error.message, words);
  assert.ok(error.exit === 2 || error.exit === 7);
  assert.ok(error.hint, "it says what to do next");
  const all = [error.message, error.hint, error.stack, JSON.stringify(error)].join("\n");
  for (const text of [PASSWORD, encodeURIComponent(PASSWORD)]) assert.ok(!all.includes(text), all);
}

const schemas = (server: PostgresServer, database: string) =>
  server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'evs'", database);

async function refusesUsers(server: PostgresServer): Promise<void> {
  await server.database({ name: "own" });
  await server.sql(`CREATE ROLE app LOGIN PASSWORD '${PASSWORD}'`);
  const as = (user: string, password: string, database = "own") =>
    `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${server.port}/${database}`;
  await assertRefused(as("app", `${PASSWORD}x`), "postgres/authentication", /password/);
  await assertRefused(as("nobody", PASSWORD), "postgres/authentication", /password/);
  await assertRefused(as("app", PASSWORD, "none"), "postgres/no-database", /does not exist/);
  await assertRefused(as("app", PASSWORD), "postgres/no-rights", /permission denied/);
  assert.equal((await schemas(server, "own")).trim(), "0");
  // A schema that somebody made for the user, and the right to use it, are enough.
  await server.sql("CREATE SCHEMA evs AUTHORIZATION app", "own");
  const store = await PostgresEventStore.open({ url: as("app", ""), password: PASSWORD });
  assert.equal(stored((await store.append([{ topic: "t", events: [newEvent()] }]))[0]).lastSeq, 1);
  await store.close();
}

async function refusesDatabases(server: PostgresServer): Promise<void> {
  const login = `evs:${encodeURIComponent(PASSWORD)}`;
  const url = (name: string) => `postgres://${login}@127.0.0.1:${server.port}/${name}`;
  for (const encoding of ["LATIN1", "SQL_ASCII"]) {
    await server.database({ name: encoding, encoding });
    await assertRefused(url(encoding), "postgres/encoding", new RegExp(encoding));
    assert.equal((await schemas(server, encoding)).trim(), "0");
  }
  await server.database({ name: "foreign" });
  await server.sql("CREATE SCHEMA evs; CREATE TABLE evs.meta (format int)", "foreign");
  await assertRefused(url("foreign"), "postgres/foreign-schema", /evs/);
  const tables = "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'evs'";
  assert.equal((await server.sql(tables, "foreign")).trim(), "meta");
  // A schema may have no tables and still be somebody's.
  const others = [
    "FUNCTION evs.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "TYPE evs.t AS ()",
  ]
    .concat("DOMAIN evs.d AS int");
  for (const [n, other] of others.entries()) {
    await server.database({ name: `foreign_${n}` });
    await server.sql(`CREATE SCHEMA evs; CREATE ${other}`, `foreign_${n}`);
    await assertRefused(url(`foreign_${n}`), "postgres/foreign-schema", /evs/);
  }
  await assertRefused(`${url("foreign")}?sslmode=require`, "postgres/invalid-url", /sslmode/);
  const gone = `postgres://${login}@127.0.0.1:1/foreign`;
  await assertRefused(gone, "postgres/unavailable", /127\.0\.0\.1:1/);
}

/** Another user of the database, who may do no more than make functions in `public`. */
async function runsNothingOfOthers(server: PostgresServer): Promise<void> {
  const url = await server.database({ name: "shared" });
  // Both fit better than the server's own, which take arrays and elements of any type.
  await server.sql(
    `CREATE ROLE other; GRANT CREATE ON SCHEMA public TO other; SET ROLE other;
     CREATE FUNCTION unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS
       $$ BEGIN RAISE 'ran as %', current_user; END $$;
     CREATE FUNCTION joined(text[], text) RETURNS text[] LANGUAGE plpgsql AS
       $$ BEGIN RAISE 'ran as %', current_user; END $$;
     CREATE OPERATOR || (LEFTARG = text[], RIGHTARG = text, FUNCTION = joined)`,
    "shared",
  );
  const fits = "SELECT pg_catalog.count(*) FROM unnest(ARRAY['a'])";
  await assert.rejects(server.sql(fits, "shared"), /ran as evs/, "it would be called");
  const login = { url, user: "evs", password: PASSWORD };
  const store = await PostgresEventStore.open(login);
  assert.equal(stored((await store.append([{ topic: "t", events: [newEvent()] }]))[0]).lastSeq, 1);
  await store.close();
  const state = await PostgresState.open(login);
  await state.commit([{ op: "retry.clear", subscription: "s", topic: "t" }, put("1", "down")]);
  assert.equal((await state.deadLetterGroups()).length, 1);
  await state.close();
}

async function verifiesCertificates(server: PostgresServer, ca: string): Promise<void> {
  await server.database({ name: "tls" });
  const login = `evs:${encodeURIComponent(PASSWORD)}`;
  const url = (host: string) =>
    `postgres://${login}@${host}:${server.port}/tls?sslmode=verify-full`;
  await assertRefused(url("localhost"), "postgres/tls", /certificate/);
  // It is made for another name than this one.
  await assertRefused({ url: url("127.0.0.1"), ca }, "postgres/tls", /certificate/);
  const store = await PostgresEventStore.open({ url: url("localhost"), ca });
  assert.equal(stored((await store.append([{ topic: "t", events: [newEvent()] }]))[0]).lastSeq, 1);
  const encrypted = await server.sql(
    "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = 'tls'",
  );
  assert.equal(encrypted.trim(), "t");
  await store.close();
  const forAddress = await certificate("IP:127.0.0.1");
  await server.stop();
  await server.writeFiles({ "server.crt": forAddress.cert, "server.key": forAddress.key });
  await server.start();
  await assertRefused(
    { url: url("localhost"), ca: forAddress.cert },
    "postgres/tls",
    /certificate/,
  );
  await (await PostgresEventStore.open({ url: url("127.0.0.1"), ca: forAddress.cert })).close();
}

async function noticesPoolers(server: PostgresServer): Promise<void> {
  const replace = (text: string) => text.replaceAll("LISTEN evs", "LISTEN nix");
  const url = await server.database({ name: "pooled" });
  // A pooler in transaction mode takes LISTEN, and nothing ever comes.
  await using proxy = startPostgresProxy(url, {
    toServer: (bytes) =>
      Uint8Array.from(replace(String.fromCharCode(...bytes)), (char) => char.charCodeAt(0)),
  });
  const wakeUps = new WakeUps(
    { ...readTarget(proxy.url), user: "evs", password: PASSWORD },
    { probeTimeout: 300 },
  );
  await assert.rejects(wakeUps.open(), { code: "postgres/no-notifications" });
  await wakeUps.close();
}

Deno.test("databases that cannot be used", async (t) => {
  const { cert, key } = await certificate("DNS:localhost");
  await using server = await startPostgres({
    settings: { fsync: "off", ssl: "on" },
    files: { "server.crt": cert, "server.key": key },
    hba: ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"]
      .concat("host all all ::1/128 scram-sha-256"),
  });
  await server.sql(`ALTER ROLE evs PASSWORD '${PASSWORD}'`);
  const step = (name: string, body: () => Promise<void>) => t.step(name, body);
  await step("open refuses users, and needs no more than the schema", () => refusesUsers(server));
  await step("open refuses encodings and schemas of others", () => refusesDatabases(server));
  await step(
    "nothing runs that another user of the database made",
    () => runsNothingOfOthers(server),
  );
  await step(
    "open verifies the server's certificate and name",
    () => verifiesCertificates(server, cert),
  );
  await step("WakeUps notices that no notification comes back", () => noticesPoolers(server));
});
