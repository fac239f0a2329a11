/**
 * `evs daemon … --store postgres://…`: events and everything else are in the database, the password
 * is nowhere to be seen, what cannot be used is refused in words before anything is written, and a
 * server that goes away ends nobody.
 */
import assert from "node:assert/strict";
import { lstat } from "../../../core/base/if_there.ts";
import { type EvsResult, until } from "../../helpers/evs.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

const PASSWORD = "correct-horse/battery@staple";

const schemas = async (server: PostgresServer, url: string) => {
  const database = new URL(url).pathname.slice(1);
  return (await server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'evs'", database))
    .trim();
};

/** Asserts an exit code, words, and that neither a data dir nor a schema was made. */
function assertRefused({ code, stderr, stdout }: EvsResult, expected: [number, RegExp]): void {
  const [exit, words] = expected;
  assert.equal(code, exit, stderr);
  assert.match(stderr, words);
  assert.match(stderr, /\n {2}try: /, "it says what to do next");
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) {
    assert.ok(!(stdout + stderr).includes(secret), stderr);
  }
}

/** A session of one daemon: what it stored is there after a restart, and in no file. */
async function keepsAll(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using place = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", url]);
  await place.ok(["publish", "orders", "placed", "--ndjson"], '{"n":1}\n{"n":2}\n{"n":3}\n');
  const epochs = `${place.folder}/epochs`;
  const noted = (rest: string) => ["sh", "-c", `echo "$EVS_EPOCH" >>${epochs}; ${rest}`];
  const fails = ["--max-retries", "0", "--until-empty", "--", ...noted('test "$EVS_SEQ" != 2')];
  assert.equal((await place.run(["consume", "orders", "--name", "billing", ...fails])).code, 6);
  const [before] = await place.json(["status", "--json"]);
  assert.equal(before.store, "postgres");
  assert.equal(before.health, "ok", before.problems.join());
  assert.deepEqual([before.events, before.deadLetters, before.subscriptions], [3, 1, 1]);
  const [restarted] = await place.json(["daemon", "restart"]);
  assert.notEqual(restarted.pid, before.pid);
  const [after] = await place.json(["status", "--json"]);
  assert.deepEqual([after.events, after.deadLetters, after.subscriptions], [3, 1, 1]);
  const events = await place.json(["replay", "orders"]);
  assert.deepEqual(events.map(({ seq, payload }) => [seq, payload.n]), [[1, 1], [2, 2], [3, 3]]);
  await place.ok(["dlq", "retry", "--all"]);
  const [job] = await place.json(["dlq", "jobs", "list"]);
  assert.deepEqual([job.job, job.state, job.done], ["retry-1", "done", 1]);
  const works = ["consume", "orders", "--name", "billing", "--until-empty", "--", ...noted("true")];
  assert.equal((await place.run(works)).code, 0);
  const seen = (await Deno.readTextFile(epochs)).trim().split("\n").map(Number);
  assert.equal(seen.length, 4);
  assert.ok(seen.slice(0, 3).every((epoch) => epoch >= 1 && epoch < seen[3]!), seen.join());
  const [last] = await place.json(["subscription", "show", "billing", "--json"]);
  assert.deepEqual([last.pending, last.dead], [0, 0]);
  assert.equal((await server.sql("SELECT count(*) FROM evs.events", "test_1")).trim(), "3");
  for (const name of ["events.db", "state.db", "events"]) {
    assert.equal(lstat(`${place.dataDir}/${name}`), undefined, name);
  }
}

/** Three places for the password, and none of what others see has it. */
async function hidesPasswords(server: PostgresServer): Promise<void> {
  const url = (await server.database({ name: "secret" })).replace("evs@", "app@");
  await server.sql("GRANT CREATE ON DATABASE secret TO app");
  await using place = await DaemonPlace.make();
  const passfile = `${place.folder}/pgpass`;
  await Deno.writeTextFile(passfile, `other:*:*:*:no\n127.0.0.1:*:*:app:${PASSWORD}\n`);
  await Deno.chmod(passfile, 0o600);
  const configured = `store = "${url}"\n[postgres]\npassword = "${PASSWORD}"\n`;
  const ways: [flags: string[], env: Record<string, string>, config: string][] = [
    [["--store", url], { EVS_POSTGRES_PASSWORD: PASSWORD }, ""],
    [["--store", url], { PGPASSFILE: passfile }, ""],
    [[], {}, configured],
  ];
  for (const [flags, env, config] of ways) {
    await Deno.writeTextFile(place.config, config);
    await Deno.chmod(place.config, 0o600);
    const started = await place.run(["daemon", "start", ...flags], { env });
    assert.equal(started.code, 0, started.stderr);
    await place.ok(["publish", "t", "n", "1"]);
    const status = await place.ok(["daemon", "status", "--json"]);
    const { pid } = JSON.parse(status);
    const seen = [
      status,
      started.stdout,
      started.stderr,
      await Deno.readTextFile(`/proc/${pid}/cmdline`),
      await Deno.readTextFile(`${place.dataDir}/log/daemon.log`),
      await Deno.readTextFile(`${place.dataDir}/daemon.json`),
      await Deno.readTextFile(`${place.dataDir}/database`),
      await place.ok(["daemon", "logs"]),
    ];
    for (const text of seen) assert.ok(!text.includes(PASSWORD), text);
    await place.ok(["daemon", "stop"]);
  }
  const none = await place.run(["daemon", "start", "--store", url], {
    env: { EVS_CONFIG: "/none" },
  });
  assertRefused(none, [7, /password/]);
}

/** What is wrong with a password's place is told, and with what has one where others see it. */
async function refusesOpenPasswords(server: PostgresServer): Promise<void> {
  const url = await server.database({ name: "open" });
  await using place = await DaemonPlace.make();
  const start = (store: string, env: Record<string, string> = {}) =>
    place.run(["daemon", "start", "--store", store], { env });
  const inUrl = url.replace("evs@", `evs:${encodeURIComponent(PASSWORD)}@`);
  assertRefused(await start(inUrl), [2, /has a password in it/]);
  assertRefused(await place.run(["daemon", "run", "--store", inUrl]), [2, /has a password in it/]);
  assertRefused(await start(inUrl.replace("postgres:", "postgre:")), [2, /postgres:\/\//]);
  assertRefused(await start(`${url}?password=${PASSWORD}`), [2, /has a password in it/]);
  const file = `${place.folder}/file`;
  assertRefused(await start(url, { PGPASSFILE: file }), [2, /which is not there/]);
  await Deno.writeTextFile(file, `*:*:*:*:${PASSWORD}\n`, { mode: 0o644 });
  assertRefused(await start(url, { PGPASSFILE: file }), [2, /others may read it/]);
  assertRefused(await start(url, { PGPASSFILE: "file" }), [2, /absolute path/]);
  for (const config of [`store = "${inUrl}"`, `[postgres]\npassword = "${PASSWORD}"`]) {
    await Deno.writeTextFile(place.config, config);
    await Deno.chmod(place.config, 0o644);
    assertRefused(await place.run(["daemon", "start"]), [2, /others (could|may) read/]);
  }
  assert.equal(lstat(place.dataDir), undefined);
  assert.equal(await schemas(server, url), "0");
}

/** Each kind of database that cannot be used: exit 2 or 7, words, and nothing was written. */
async function refusesDatabases(server: PostgresServer): Promise<void> {
  const url = await server.database({ name: "good" });
  const latin = await server.database({ name: "latin", encoding: "LATIN1" });
  const foreign = await server.database({ name: "foreign" });
  await server.sql("CREATE SCHEMA evs; CREATE TABLE evs.theirs (a int)", "foreign");
  const poor = (await server.database({ name: "poor" })).replace("evs@", "poor@");
  await server.sql("CREATE ROLE poor LOGIN");
  await using place = await DaemonPlace.make();
  const start = (store: string, ...flags: string[]) =>
    place.run(["daemon", "start", "--store", store, ...flags], {
      env: { EVS_POSTGRES_PASSWORD: PASSWORD },
    });
  const cases: [store: string, exit: number, words: RegExp][] = [
    ["postgres", 2, /a store is sqlite, file, memory, or the URL/],
    [url.replace("postgres:", "mysql:"), 2, /begins with postgres:\/\//],
    [`${url}#x`, 2, /has a #/],
    [`${url}?sslmode=require`, 2, /sslmode/],
    [url.replace(String(server.port), "1"), 7, /cannot be used now/],
    [url.replace("/good", "/none"), 7, /has no such database/],
    [url.replace("evs@", "nobody@"), 7, /does not let this user in|refused the password/],
    [latin, 7, /LATIN1/],
    [foreign, 7, /not of env-event-stream/],
    [poor, 7, /does not let this user do that/],
  ];
  for (const [store, exit, words] of cases) {
    const refused = await start(store);
    assert.equal(lstat(place.dataDir), undefined, store);
    assertRefused(refused, [exit, words]);
  }
  assertRefused(await start(url, "--durability", "os"), [2, /is not for PostgreSQL/]);
  for (const other of [url, latin, poor.replace("poor@", "evs@")]) {
    assert.equal(await schemas(server, other), "0", other);
  }
  const theirs =
    "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'evs'::regnamespace";
  assert.equal((await server.sql(theirs, "foreign")).trim(), "theirs");
}

/** A data dir has its own events or belongs to one database: what is there never goes out of sight. */
async function refusesDataDirs(server: PostgresServer): Promise<void> {
  const [url, other] = [await server.database(), await server.database()];
  await using local = await DaemonPlace.make();
  await local.ok(["daemon", "start"]);
  await local.ok(["daemon", "stop"]);
  assertRefused(await local.run(["daemon", "start", "--store", url]), [7, /of its own/]);
  await using place = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", url]);
  await place.ok(["publish", "t", "n", "1"]);
  await place.ok(["daemon", "stop"]);
  assertRefused(await place.run(["daemon", "start"]), [7, /belongs to the database/]);
  assertRefused(await place.run(["daemon", "start", "--store", other]), [7, /belongs to the/]);
  await place.ok(["daemon", "start", "--store", url]);
  assert.equal((await place.json(["replay", "t"])).length, 1);
}

/** Runs a command, and takes its time. */
async function timed(place: DaemonPlace, args: string[]): Promise<EvsResult & { ms: number }> {
  const asked = performance.now();
  return { ...await place.run(args), ms: performance.now() - asked };
}

/** Kills the server below a daemon: publishers wait or are told, and it goes on by itself. */
async function survives(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using place = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", url]);
  await place.ok(["publish", "t", "n", "1"]);
  const { pid } = (await place.json(["status", "--json"]))[0];
  await server.kill();
  const waiting = place.run(["publish", "t", "n", "2"]);
  const { stdout } = await place.run(["status", "--json"]);
  const status = JSON.parse(stdout);
  assert.equal(status.health, "degraded");
  assert.match(status.problems.join(), /PostgreSQL at .* cannot be used now/);
  assert.equal(status.events, 1, "what it knows is still told");
  // The doctor says so sooner than one request of the daemon is answered. Meanwhile the others are
  // asked.
  const [reading, examining] = [timed(place, ["dlq", "list"]), timed(place, ["doctor"])];
  // Nobody takes the connection: what cannot be told is refused long before publishing is.
  for (const what of ["topic", "subscription"]) {
    const listed = await Promise.race([place.run([what, "list"]), waiting]);
    assert.equal(listed.code, 7, "and the publish waits still");
    assert.match(listed.stderr, /cannot be used now/);
  }
  const [read, blind] = [await reading, await examining];
  assert.equal(read.code, 7, read.stderr);
  assert.equal(blind.code, 0, "what cannot be looked at is not damaged");
  assert.match(blind.stdout, /"check":"database","level":"warning",.*cannot be used now/);
  assert.ok(blind.ms < read.ms, `${blind.ms} of ${read.ms} ms`);
  await server.start();
  assert.equal((await waiting).code, 0, "it has waited, and was stored");
  await until(async () => (await place.json(["status", "--json"]))[0].health === "ok");
  const log = await Deno.readTextFile(`${place.dataDir}/log/daemon.log`);
  assert.doesNotMatch(log, /"level":"error"/, "that a server goes away is no fault of the daemon");
  assert.deepEqual((await place.json(["replay", "t"])).map(({ payload }) => payload), [1, 2]);
  assert.equal((await place.json(["status", "--json"]))[0].pid, pid, "nobody died");
  // It ends while the server is away, too.
  await server.kill();
  await place.ok(["daemon", "stop"]);
  await server.start();
}

/** What several nodes could not do together is refused on one, too, and nothing of it is kept. */
async function refusesTheRest(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using place = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", url]);
  await place.ok(["topic", "create", "t"]);
  const refused: [args: string[], words: RegExp][] = [
    [["topic", "create", "live", "--ephemeral"], /live/],
    [["topic", "create", "own", "--store", "sqlite"], /no sqlite store.*\n.*leave the store out/],
    [["topic", "create", "own", "--store", "memory"], /no memory store/],
    [["topic", "create", "own", "--durability", "os"], /no durability to choose/],
  ];
  for (const [args, words] of refused) {
    assertRefused(await place.run(args), [2, words]);
  }
  assert.deepEqual((await place.json(["topic", "list"])).map(({ name }) => name), ["t"]);
  assert.equal((await place.json(["replay", "t"])).length, 0);
}

/** A server that is frozen: it takes connections and says nothing. */
async function survivesSilence(server: PostgresServer): Promise<void> {
  const url = await server.database();
  await using place = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", url]);
  await place.ok(["publish", "t", "n", "1"]);
  const [postmaster] = (await Deno.readTextFile(`${server.dir}/data/postmaster.pid`)).split("\n");
  const children = await Deno.readTextFile(`/proc/${postmaster}/task/${postmaster}/children`);
  const pids = [postmaster!, ...children.trim().split(" ")].map(Number);
  const signal = (name: Deno.Signal) => pids.forEach((pid) => Deno.kill(pid, name));
  signal("SIGSTOP");
  try {
    const { stdout } = await place.run(["status", "--json"]);
    assert.match(JSON.parse(stdout).problems.join(), /does not answer/);
    // evs daemon stop gives up after 10 s.
    await place.ok(["daemon", "stop"]);
    const log = await Deno.readTextFile(`${place.dataDir}/log/daemon.log`);
    assert.match(log, /it is left without a word/);
  } finally {
    signal("SIGCONT");
  }
  await place.ok(["daemon", "start", "--store", url]);
  assert.equal((await place.json(["replay", "t"])).length, 1);
}

Deno.test("a daemon on PostgreSQL", async (t) => {
  await using server = await startPostgres({
    settings: { fsync: "off" },
    hba: ["local all all trust", "host all evs,poor 127.0.0.1/32 trust"]
      .concat("host all all 127.0.0.1/32 scram-sha-256"),
  });
  await server.sql(`CREATE ROLE app LOGIN PASSWORD '${PASSWORD}'`);
  const steps: [name: string, body: (server: PostgresServer) => Promise<void>][] = [
    ["keeps everything in the database over a restart", keepsAll],
    ["takes its password from three places and shows it nowhere", hidesPasswords],
    ["refuses passwords that others could read", refusesOpenPasswords],
    ["refuses databases that it cannot use before anything is written", refusesDatabases],
    ["refuses a data dir that belongs elsewhere", refusesDataDirs],
    ["refuses what nodes cannot do together", refusesTheRest],
    ["survives that the server is killed, and goes on by itself", survives],
    ["ends while the server is frozen", survivesSilence],
  ];
  for (const [name, body] of steps) await t.step(name, () => body(server));
});
