/**
 * A daemon on PostgreSQL and the server it connects to: certificates are verified with the exact
 * permissions of a daemon, and a server that is too old or behind a pooler is refused before anything
 * is written. So is what a Unix socket needs.
 */
import assert from "node:assert/strict";
import { lstat } from "../../../core/base/if_there.ts";
import { certificate } from "../../helpers/certificate.ts";
import { type PostgresServer, startPostgres, temporaryFolder } from "../../helpers/postgres.ts";
import { type ProxyRules, startPostgresProxy } from "../../helpers/postgres_proxy.ts";
import { DaemonPlace } from "./daemon_place.ts";

async function verifiesCertificates(server: PostgresServer, ca: string): Promise<void> {
  await server.database({ name: "tls" });
  const url = `postgres://evs@localhost:${server.port}/tls?sslmode=verify-full`;
  await using place = await DaemonPlace.make();
  const refused = await place.run(["daemon", "start", "--store", url]);
  assert.equal(refused.code, 7, refused.stderr);
  assert.match(refused.stderr, /no certificate that can be verified/);
  assert.equal(lstat(place.dataDir), undefined);
  await Deno.writeTextFile(`${place.folder}/ca.pem`, ca);
  await Deno.writeTextFile(place.config, `[postgres]\nca = "${place.folder}/ca.pem"\n`);
  await place.ok(["daemon", "start", "--store", url]);
  await place.ok(["publish", "t", "n", "1"]);
  const encrypted = "SELECT bool_and(ssl), count(*) > 3 FROM pg_stat_ssl JOIN pg_stat_activity " +
    "USING (pid) WHERE datname = 'tls'";
  assert.equal((await server.sql(encrypted)).trim(), "t|t");
}

/** Starts a daemon through a proxy that changes what passes; it must be refused. */
async function refusedBehind(
  server: PostgresServer,
  { name, rules, words }: { name: string; rules: ProxyRules; words: RegExp },
): Promise<void> {
  const url = await server.database({ name });
  await using proxy = startPostgresProxy(url, rules);
  await using place = await DaemonPlace.make();
  const { code, stderr } = await place.run(["daemon", "start", "--store", proxy.url]);
  assert.equal(code, 7, stderr);
  assert.match(stderr, words);
  assert.match(stderr, /\n {2}try: /);
  assert.equal(lstat(place.dataDir), undefined);
  const schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'evs'";
  assert.equal((await server.sql(schemas, name)).trim(), "0", "nothing was made");
}

/** Replaces a text by another one of the same length. */
function replacing(text: string, by: string): (bytes: Uint8Array) => Uint8Array {
  assert.equal(text.length, by.length);
  return (bytes) =>
    Uint8Array.from(
      String.fromCharCode(...bytes).replaceAll(text, by),
      (char) => char.charCodeAt(0),
    );
}

async function refusesOldServers(server: PostgresServer): Promise<void> {
  const number = (await server.sql("SHOW server_version_num")).trim();
  const toClient = replacing(number, `13${number.slice(2)}`);
  await refusedBehind(server, { name: "old", rules: { toClient }, words: /is version/ });
}

/** A pooler in transaction mode takes LISTEN, and nothing ever comes. */
async function refusesPoolers(server: PostgresServer): Promise<void> {
  const toServer = replacing("LISTEN evs", "LISTEN nix");
  const words = /does not deliver notifications/;
  await refusedBehind(server, { name: "pooled", rules: { toServer }, words });
}

async function reachesSockets(server: PostgresServer): Promise<void> {
  await server.database({ name: "local" });
  await using place = await DaemonPlace.make();
  const url = `postgres://evs@localhost/local?host=${server.dir}&port=${server.port}`;
  await place.ok(["daemon", "start", "--store", url]);
  const [status] = await place.json(["status", "--json"]);
  const socket = `${server.dir}/.s.PGSQL.${server.port}`;
  assert.equal(status.permissions[0], `--allow-net=unix:${place.socket},unix:${socket}`);
  await place.ok(["publish", "t", "n", "1"]);
}

Deno.test("a daemon on PostgreSQL and its server", async (t) => {
  const { cert, key } = await certificate("DNS:localhost");
  await using server = await startPostgres({
    settings: { fsync: "off", ssl: "on" },
    files: { "server.crt": cert, "server.key": key },
    // Deno keeps programs without all permissions out of /dev, where memory would be.
    dir: await temporaryFolder({ disk: true }),
  });
  await t.step("verifies its certificate", () => verifiesCertificates(server, cert));
  await t.step("refuses one that is too old", () => refusesOldServers(server));
  await t.step("refuses a pooler in transaction mode", () => refusesPoolers(server));
  await t.step("reaches it by its Unix socket", () => reachesSockets(server));
});
