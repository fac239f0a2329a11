/**
 * What keeps a backup from going into a database, or out of one, is told in words with a stable code
 * before anything is written; and no password is to be seen anywhere.
 */
import assert from "node:assert/strict";
import { makeBackup } from "../../../core/backup/backup.ts";
import { copyDatabaseInto } from "../../../core/backup/postgres/backup_database.ts";
import { restoreDatabase } from "../../../core/backup/postgres/restore_database.ts";
import { EvsError } from "../../../core/base/errors.ts";
import { encodeSpooled } from "../../../core/spool/spool_file.ts";
import { spoolName } from "../../../core/spool/spool_folder.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { EventBroker, PostgresEventStore } from "../../../mod.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { until } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";
import { flipBit } from "../../helpers/flip.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

const NOW = Date.UTC(2026, 0, 1);
const PASSWORD = "correct-horse/battery@staple";
/** How many sessions of ours a database has. */
const SESSIONS = "SELECT count(*) FROM pg_stat_activity " +
  "WHERE datname = current_database() AND application_name LIKE 'evs %'";

interface Made {
  folder: string;
  dataDir: string;
  file: string;
}

/** A data dir with an event and whatever a test adds, and a backup of it. */
async function backupOf(add: (made: Made) => void | Promise<void> = () => {}): Promise<Made> {
  const folder = await testFolder("test");
  const made = { folder, dataDir: `${folder}/data`, file: `${folder}/backup.tar` };
  await Deno.mkdir(made.dataDir);
  const store = new SqliteEventStore(`${made.dataDir}/events.db`);
  await store.append([{ topic: "t", events: [newEvent()] }]);
  await store.close();
  await add(made);
  await makeBackup({ dataDir: made.dataDir, file: made.file, force: false, now: NOW });
  return made;
}

/** Asserts how a restore is refused, and that the database is as it was. */
async function refused(
  server: PostgresServer,
  { url, made, force = false, ...expected }: {
    url: string;
    made: Made;
    force?: boolean;
    code: string;
    exit: number;
    words: RegExp;
  },
): Promise<void> {
  const database = new URL(url).pathname.slice(1);
  const tables = () =>
    server.sql(
      "SELECT coalesce(string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1), '') FROM " +
        "(SELECT * FROM pg_tables WHERE schemaname LIKE 'evs%' ORDER BY 1, 2) AS t",
      database,
    );
  const before = await tables();
  const { file, folder } = made;
  const restoring = restoreDatabase({ file, database: { url }, folder, force, now: NOW });
  const error = await restoring.then(() => assert.fail("it was restored"), (error) => error);
  assert.ok(error instanceof EvsError, String(error));
  assert.deepEqual([error.code, error.exit], [expected.code, expected.exit], error.message);
  assert.match(error.message, expected.words);
  assert.ok(error.hint, "it says what to do");
  assert.equal(await tables(), before, "nothing was written");
}

Deno.test("evs restore --store refuses in words what cannot be", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const good = await backupOf();

  await t.step("a database that somebody uses, even with --force", async () => {
    const url = await server.database();
    const state = await PostgresState.open(url);
    const broker = new EventBroker({ state, eventStore: await PostgresEventStore.open(url) });
    await broker.ready;
    const { node } = state;
    assert.ok(node);
    const words = new RegExp(`nodes use the database .*: ${node}|a program uses the database`);
    for (const force of [false, true]) {
      await refused(server, { url, made: good, force, code: "datadir/locked", exit: 7, words });
    }
    await broker.close();
    // The server notices some moments later.
    await until(async () => (await server.sql(SESSIONS, new URL(url).pathname.slice(1))) === "0\n");
    const taken = { code: "datadir/not-empty", exit: 3, words: /is not empty/ };
    await refused(server, { url, made: good, ...taken });
    const place = { file: good.file, database: { url }, folder: good.folder, now: NOW };
    const { keptAt } = await restoreDatabase({ ...place, force: true });
    assert.match(keptAt ?? "", /^evs_before_restore_/);
  });

  await t.step("a store without a state that appends to it", async () => {
    const url = await server.database();
    const store = await PostgresEventStore.open(url);
    await store.append([{ topic: "t", events: [newEvent()] }]);
    const words = /a program uses the database/;
    await refused(server, { url, made: good, force: true, code: "datadir/locked", exit: 7, words });
    await store.close();
  });

  await t.step("a schema of somebody else, even with --force", async () => {
    const url = await server.database({ name: "foreign" });
    await server.sql("CREATE SCHEMA evs; CREATE TABLE evs.theirs (a int)", "foreign");
    const foreign = { code: "postgres/foreign-schema", exit: 7, words: /not of env-event-stream/ };
    await refused(server, { url, made: good, force: true, ...foreign });
  });

  await t.step("a database that cannot keep every text", async () => {
    const url = await server.database({ name: "latin", encoding: "LATIN1" });
    const latin = { code: "postgres/encoding", exit: 7, words: /LATIN1/ };
    await refused(server, { url, made: good, ...latin });
  });

  await t.step("a backup that is damaged", async () => {
    const damaged = await backupOf();
    flipBit(damaged.file, { byte: 20_000, bit: 3 });
    const url = await server.database();
    const words = /not a whole backup/;
    await refused(server, { url, made: damaged, code: "datadir/damaged", exit: 7, words });
  });

  await t.step("topics that store no events", async () => {
    const ephemeral = await backupOf(async ({ dataDir }) => {
      const state = new SqliteState(`${dataDir}/state.db`);
      const broker = new EventBroker({ state });
      await broker.ready;
      await broker.createTopic("passing", { persistent: false });
      await broker.close();
    });
    const url = await server.database();
    const local = { code: "topic/local-only", exit: 3, words: /store no events: passing/ };
    await refused(server, { url, made: ephemeral, ...local });
  });

  await t.step("events that wait in a spool", async () => {
    const spooled = await backupOf(({ dataDir }) => {
      const body = new TextEncoder().encode("1\n");
      const request = { at: NOW, topic: "t", query: { type: "n", id: "x" } };
      const bytes = encodeSpooled({ request, body });
      const of = { number: 1, events: 1, bytes: bytes.length, tag: "0123abcd" };
      Deno.mkdirSync(`${dataDir}/spool`);
      Deno.writeFileSync(`${dataDir}/spool/${spoolName(of)}`, bytes);
    });
    const url = await server.database();
    const spool = { code: "backup/spool", exit: 3, words: /wait in the spool/ };
    await refused(server, { url, made: spooled, ...spool });
  });
});

Deno.test("evs backup refuses in words a database that it does not know", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const [empty, other] = [await server.database(), await server.database({ name: "other" })];
  const folder = await testFolder("test");
  const codeOf = (url: string) => {
    const copying = copyDatabaseInto(folder, { database: { url }, dataDir: folder, now: NOW });
    return copying.then(() => "copied", ({ code }) => code);
  };
  assert.equal(await codeOf(empty), "datadir/missing");
  const store = await PostgresEventStore.open(other);
  await store.close();
  assert.equal(await codeOf(other), "datadir/older-format", "it has no state");
  await (await PostgresState.open(other)).close();
  await server.sql("UPDATE evs.meta SET format = format + 1 WHERE part = 'state'", "other");
  assert.equal(await codeOf(other), "datadir/newer-format");
});

Deno.test("evs backup and evs restore take passwords from where no one sees them", async () => {
  await using server = await startPostgres({
    settings: { fsync: "off" },
    hba: ["local all all trust", "host all app 127.0.0.1/32 scram-sha-256"]
      .concat("host all all 127.0.0.1/32 trust"),
  });
  await server.sql(`CREATE ROLE app LOGIN PASSWORD '${PASSWORD}'`);
  const url = (await server.database({ name: "secret" })).replace("evs@", "app@");
  await server.sql("GRANT CREATE ON DATABASE secret TO app");
  const made = await backupOf();
  await using place = await DaemonPlace.make();
  const passfile = `${place.folder}/pgpass`;
  await Deno.writeTextFile(passfile, `127.0.0.1:*:secret:app:${PASSWORD}\n`, { mode: 0o600 });
  const run = async (exit: number, args: string[], env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await place.run(args, { env });
    assert.equal(code, exit, stderr);
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) {
      assert.ok(!(stdout + stderr).includes(secret), stderr);
    }
    return stdout + stderr;
  };
  const open = url.replace("app@", `app:${encodeURIComponent(PASSWORD)}@`);
  assert.match(await run(2, ["restore", made.file, "--store", open]), /has a password in it/);
  assert.match(await run(7, ["restore", made.file, "--store", url]), /asks for a password/);
  await run(0, ["restore", made.file, "--store", url], { PGPASSFILE: passfile });
  const file = `${place.folder}/again.tar`;
  const variable = { EVS_POSTGRES_PASSWORD: PASSWORD };
  assert.match(await run(0, ["backup", file, "--store", url], variable), /"events":1/);
});
