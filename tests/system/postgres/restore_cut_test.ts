/**
 * A restore into a database that is cut off: at each kind of request, in the answer to its commit,
 * and by SIGKILL. The database has all of the backup, or is as it was before.
 */
import assert from "node:assert/strict";
import { makeBackup } from "../../../core/backup/backup.ts";
import { restoreDatabase } from "../../../core/backup/postgres/restore_database.ts";
import type { SubscriptionRecord } from "../../../core/state/state.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { RunningEvs, until } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { type PostgresProxy, startPostgresProxy } from "../../helpers/postgres_proxy.ts";
import { type Cut, Cuts } from "./cuts.ts";

const EVENTS = 6000;
const NOW = Date.UTC(2026, 0, 1);

const SUBSCRIPTION: SubscriptionRecord = {
  name: "s",
  topic: "t",
  from: "start",
  settings: {
    maxRetries: 3,
    backoff: { kind: "fixed", base: 1000, max: 1000, jitter: false },
    eventTypes: [],
    maxDeliveries: 10,
    breaker: null,
  },
  paused: false,
  createdAt: 1,
};

/** The last request before the commit. */
const NOTED = "INSERT INTO evs.producers (producer) VALUES ($1)";

/** The requests at which the connection is lost before they reach the server. */
const BEFORE: Cut[] = [
  { text: "pg_advisory_xact_lock" },
  { text: "CREATE TABLE evs.topics" },
  { text: "INSERT INTO evs.topics" },
  { text: "INSERT INTO evs.events" },
  { text: "INSERT INTO evs.events", later: 4 },
  { text: "INSERT INTO evs.blocks" },
  { text: "ANALYZE" },
  { text: "INSERT INTO evs.subscriptions" },
  { text: "INSERT INTO evs.done" },
  { text: "UPDATE evs.counters" },
  { text: NOTED },
  { text: NOTED, later: 1 }, // the commit
];

/** The commit reaches the server, and so many bytes of its answer come back. */
const ANSWERED: Cut[] = [0, 1, 7].map((answered) => ({
  text: NOTED,
  later: 1,
  answered,
}));

/** A backup of some thousand events and a subscription that is in the middle of them. */
async function backup(folder: string): Promise<string> {
  const [dataDir, file] = [`${folder}/data`, `${folder}/backup.tar`];
  await Deno.mkdir(dataDir);
  const store = new SqliteEventStore(`${dataDir}/events.db`);
  for (let n = 0; n < EVENTS; n += 1000) {
    const events = Array.from({ length: 1000 }, (_, i) => newEvent({ key: `k-${i % 9}` }));
    await store.append([{ topic: "t", events }]);
  }
  await store.close();
  const state = new SqliteState(`${dataDir}/state.db`);
  await state.commit([
    { op: "subscription.put", record: SUBSCRIPTION },
    { op: "cursor.put", record: { subscription: "s", topic: "t", next: 100 } },
    { op: "done.put", subscription: "s", topic: "t", seqs: [200, 201, 400] },
  ]);
  await state.close();
  await makeBackup({ dataDir, file, force: false, now: NOW });
  return file;
}

const schemas = async (server: PostgresServer, database: string) =>
  (await server.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'evs%'", database)).trim();

/** All of it: events, marks, and nobody who writes any more. */
async function assertWhole(server: PostgresServer, database: string): Promise<void> {
  const counts = "SELECT (SELECT count(*) FROM evs.events), (SELECT last_seq FROM evs.heads), " +
    "(SELECT count(*) FROM evs.done), (SELECT next FROM evs.cursors)";
  assert.equal((await server.sql(counts, database)).trim(), `${EVENTS}|${EVENTS}|3|100`);
}

/** A way to the database on which so many requests that write events get through, and none later. */
class Writing implements AsyncDisposable {
  readonly #proxy: PostgresProxy;
  readonly #stuck = Promise.withResolvers<void>();

  constructor(url: string, most: number) {
    let requests = 0;
    this.#proxy = startPostgresProxy(url, {
      toServer: (bytes) => {
        const text = new TextDecoder().decode(bytes);
        if (requests > 0 || text.includes("INSERT INTO evs.events")) requests++;
        if (requests <= most) return bytes;
        this.#stuck.resolve();
      },
    });
  }

  get url(): string {
    return this.#proxy.url;
  }

  /** Resolves when a request does not get through. */
  get isStuck(): Promise<void> {
    return this.#stuck.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
  }
}

async function noSessions(server: PostgresServer): Promise<void> {
  const sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evs state'";
  await until(async () => (await server.sql(sessions)).trim() === "0");
}

Deno.test("evs restore --store leaves all or nothing wherever it is cut off", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const folder = await testFolder("test");
  const file = await backup(folder);
  const url = await server.database({ name: "cut" });
  const restore = (database: string, force = false) =>
    restoreDatabase({ file, database: { url: database }, folder, force, now: NOW });

  await t.step("nothing, before the commit has reached the server", async () => {
    for (const cut of BEFORE) {
      await using cuts = new Cuts(url);
      cuts.cutAt(cut);
      await assert.rejects(() => restore(cuts.url), JSON.stringify(cut));
      assert.equal(cuts.cuts, 1, JSON.stringify(cut));
      await noSessions(server);
      assert.equal(await schemas(server, "cut"), "", JSON.stringify(cut));
    }
  });

  await t.step("all, and says so, when only the answer to the commit is lost", async () => {
    for (const cut of ANSWERED) {
      await using cuts = new Cuts(url);
      cuts.cutAt(cut);
      await restore(cuts.url);
      assert.equal(cuts.cuts, 1);
      await assertWhole(server, "cut");
      await server.sql("DROP SCHEMA evs CASCADE", "cut");
    }
  });

  await t.step("what was there before, where it was to be replaced", async () => {
    await restore(url);
    await server.sql("DELETE FROM evs.done WHERE seq = 400", "cut");
    for (const cut of BEFORE.filter(({ text }) => text !== "pg_advisory_xact_lock")) {
      await using cuts = new Cuts(url);
      cuts.cutAt(cut);
      await assert.rejects(() => restore(cuts.url, true), JSON.stringify(cut));
      await noSessions(server);
      assert.equal(await schemas(server, "cut"), "evs", JSON.stringify(cut));
      assert.equal((await server.sql("SELECT count(*) FROM evs.done", "cut")).trim(), "2");
    }
    const { keptAt } = await restore(url, true);
    await assertWhole(server, "cut");
    assert.equal((await server.sql(`SELECT count(*) FROM ${keptAt}.done`, "cut")).trim(), "2");
    await server.sql(`DROP SCHEMA evs CASCADE; DROP SCHEMA ${keptAt} CASCADE`, "cut");
  });

  await t.step("nothing, when it is killed in the middle", async () => {
    for (let n = 0; n < dose(2); n++) {
      await using writing = new Writing(url, 1 + n % 4);
      const running = new RunningEvs(["restore", file, "--store", writing.url], {
        env: { TMPDIR: folder, EVS_CONFIG: "/none", EVS_DATA_DIR: `${folder}/none` },
      });
      await Promise.race([writing.isStuck, running.ended]);
      running.child.kill("SIGKILL");
      assert.equal((await running.ended).signal, "SIGKILL", running.stderr);
      await noSessions(server);
      assert.equal(await schemas(server, "cut"), "");
    }
    await restore(url);
    await assertWhole(server, "cut");
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["backup.tar", "data"], "what the killed one had unpacked is gone, too");
  });
  await Deno.remove(folder, { recursive: true });
});
