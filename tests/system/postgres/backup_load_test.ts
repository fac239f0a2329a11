/**
 * A backup of a database while nodes publish and consume: it is of one moment. What was acknowledged
 * before it began is in it, what is stored all or none is, and no position is beyond the events.
 */
import assert from "node:assert/strict";
import { EventBroker, PostgresEventStore, PostgresState } from "../../../mod.ts";
import { copyDatabaseInto } from "../../../core/backup/postgres/backup_database.ts";
import { StateTables } from "../../../core/state/state_tables.ts";
import { openKeptDatabase } from "../../../core/store/sqlite/kept_events.ts";
import { verifyEventDatabase } from "../../../core/store/sqlite/verify.ts";
import { dose } from "../../helpers/dose.ts";
import { until } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";
import { startPostgres } from "../../helpers/postgres.ts";

/** Publishes to two topics at once, all or none, until it is told to stop. */
class Load {
  /** How many pairs were acknowledged. */
  acknowledged = 0;
  #ended = false;
  readonly #running: Promise<void>;

  constructor(broker: EventBroker) {
    this.#running = this.#run(broker);
  }

  async #run(broker: EventBroker): Promise<void> {
    while (!this.#ended) {
      const events = ["left", "right"].map((topic) => ({ topic, type: "n", payload: 1 }));
      await broker.publishAll(events);
      this.acknowledged++;
    }
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }
}

async function node(url: string): Promise<EventBroker> {
  const state = await PostgresState.open(url);
  const broker = new EventBroker({ state, eventStore: await PostgresEventStore.open(url) });
  await broker.ready;
  broker.subscribe("left", ({ seq = 0 }, { attempt }) => {
    if (seq % 7 === 0 && attempt === 1) throw new Error("the first attempt fails");
    if (seq % 11 === 0) throw new Error("this one is never handled");
  }, { name: "s", from: "start", concurrency: 4, maxRetries: 1, retryDelay: 20 });
  return broker;
}

/** Asserts that the copy in a folder is of one moment, and returns how many pairs it has. */
function assertOneMoment(folder: string): number {
  const verdict = verifyEventDatabase(`${folder}/events.db`);
  assert.deepEqual([verdict.found, verdict.known, verdict.faults], [[], [], []]);
  const ends = new Map(verdict.topics.map(({ topic, lastSeq, intact }) => {
    assert.equal(intact, lastSeq, `${topic} has no gap`);
    return [topic, lastSeq];
  }));
  assert.equal(ends.get("left"), ends.get("right"), "both topics or none");
  const last = ends.get("left") ?? 0;
  const kept = openKeptDatabase(`${folder}/events.db`);
  const counted = [...kept.pages("left")].flat().length;
  assert.equal(counted, last);
  kept.close();
  const state = new StateTables(`${folder}/state.db`);
  const numbers = (sql: string) => [...state.rows(sql)].map(({ seq }) => seq as number);
  const next = numbers("SELECT next AS seq FROM cursors WHERE topic = 'left'")[0] ?? 1;
  assert.ok(next <= last + 1, `the cursor ${next} is beyond the last event, ${last}`);
  const [done, retries, dead] = ["done", "retries", "dead_letters"]
    .map((table) => numbers(`SELECT seq FROM ${table} ORDER BY seq`));
  for (const seqs of [done!, retries!, dead!]) assert.ok((seqs.at(-1) ?? 0) <= last);
  // What is kept apart is not to be read from the events, too, and in one place only.
  const settled = new Set(done);
  for (const seq of [...retries!, ...dead!]) assert.ok(seq < next || settled.has(seq), `${seq}`);
  assert.deepEqual(retries!.filter((seq) => dead!.includes(seq)), []);
  state.close();
  return last;
}

Deno.test("evs backup is of one moment while nodes publish and consume", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const url = await server.database();
  const nodes = [await node(url), await node(url)];
  const loads = nodes.map((broker) => new Load(broker));
  const folder = await testFolder("test");
  let before = 0;
  for (let n = 0; n < dose(6); n++) {
    const acknowledged = loads.reduce((sum, load) => sum + load.acknowledged, 0);
    const staging = `${folder}/${n}`;
    await Deno.mkdir(staging);
    await copyDatabaseInto(staging, { database: { url }, dataDir: folder, now: Date.now() });
    const pairs = assertOneMoment(staging);
    assert.ok(pairs >= acknowledged, `${pairs} of ${acknowledged} that were acknowledged`);
    assert.ok(pairs >= before, "it does not go back");
    before = pairs;
    // So that the next one is of another moment.
    const then = loads.map((load) => load.acknowledged);
    await until(() => loads.every((load, n) => load.acknowledged >= then[n]! + 10));
  }
  for (const load of loads) await load.end();
  for (const broker of nodes) await broker.close();
  await Deno.remove(folder, { recursive: true });
});
