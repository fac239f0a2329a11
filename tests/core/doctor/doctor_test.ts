/**
 * Each check of evs doctor that looks at files, on a data dir with one thing wrong in it: what is
 * damage, what a warning, and that looking changes nothing. End to end: tests/e2e/doctor_test.ts.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import type { Diagnosis } from "../../../core/doctor/checks/diagnosis.ts";
import { examine } from "../../../core/doctor/doctor.ts";
import { readWatermarks, writeWatermarks } from "../../../core/data_dir/watermarks.ts";
import { encodeSpooled } from "../../../core/spool/spool_file.ts";
import { spoolName } from "../../../core/spool/spool_folder.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { acceptQuarantine, noteLoss } from "../../../core/store/quarantine.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { flipBit } from "../../helpers/flip.ts";
import { inFolder } from "../../helpers/start.ts";

const NOW = Date.now();
const FILES = ["events.db", "events", "state.db"];

/** A data dir with three events in each of two stores, a subscription and a dead letter. */
async function fill(dataDir: string): Promise<void> {
  const file = new FileEventStore(`${dataDir}/events`);
  await using broker = new EventBroker({
    eventStore: new SqliteEventStore(`${dataDir}/events.db`),
    state: new SqliteState(`${dataDir}/state.db`),
  });
  broker.createTopic("orders").subscribe(() => {
    throw new Error("no");
  }, { name: "s", maxRetries: 0 });
  for (let n = 1; n <= 3; n++) await broker.publish("orders", "placed", n);
  await broker.idle();
  const encoder = new TextEncoder();
  const events = [1, 2, 3].map((n) => ({
    ...{ id: `id-${n}`, idGiven: false, type: "a", timestamp: NOW - n, schemaVersion: "1.0" },
    ...{ metadata: "{}", payload: encoder.encode(String(n)) },
  }));
  await file.append([{ topic: "lines", events }]);
  await file.close();
  await broker.close();
  const generation = withState(dataDir, (state) => state.load().generation);
  writeWatermarks(dataDir, { phase: "closed", generation, files: FILES, ends: new Map() });
  for (const name of FILES.filter((name) => name.endsWith(".db"))) {
    Deno.chmodSync(`${dataDir}/${name}`, 0o600);
  }
}

function withState<T>(dataDir: string, work: (state: SqliteState) => T): T {
  const state = new SqliteState(`${dataDir}/state.db`, { readOnly: true, asFound: true });
  try {
    return work(state);
  } finally {
    state.closeSync();
  }
}

/** Writes what is recorded of the data dir anew, with these ends of topics. */
function recall(dataDir: string, ends: [topic: string, lastSeq: number][]): void {
  const { generation } = readWatermarks(dataDir)!;
  writeWatermarks(dataDir, { phase: "closed", generation, files: FILES, ends: new Map(ends) });
}

/** What the checks say besides what is intact, as `check level`. */
async function faults(dataDir: string): Promise<string[]> {
  const found = (await findings(dataDir)).filter(({ level }) => level !== "ok");
  return [...new Set(found.map(({ check, level }) => `${check} ${level}`))];
}

async function findings(dataDir: string): Promise<Diagnosis[]> {
  const found: Diagnosis[] = [];
  const room = () => Promise.resolve({ free: 1e12, size: 2e12 });
  const context = { dataDir, socket: `${dataDir}.sock`, quick: false, now: NOW, room };
  for await (const one of examine(context)) found.push(one);
  return found;
}

async function on(change: (dataDir: string) => void, expected: string[]): Promise<void> {
  await inFolder(async (folder) => {
    const dataDir = `${folder}/data`;
    Deno.mkdirSync(dataDir, { mode: 0o700 });
    await fill(dataDir);
    change(dataDir);
    const before = namesIn(dataDir);
    assert.deepEqual(await faults(dataDir), expected);
    assert.deepEqual(namesIn(dataDir), before, "nothing was made or removed");
  });
}

/** Without the index of a log, which SQLite makes to read it. */
function namesIn(folder: string): string[] {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  return names.filter((name) => !name.endsWith("-shm")).toSorted();
}

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

Deno.test("examine finds nothing wrong with a data dir that is whole", () => on(() => {}, []));

Deno.test("examine tells of an event whose bytes have changed, in either store", async () => {
  const SUM =
    "UPDATE log SET line = CAST(replace(line, 'placed', 'played') AS BLOB) WHERE rowid IN (SELECT rowid FROM log LIMIT 1)";
  await on((dir) => change(`${dir}/events.db`, SUM), ["event-database damage"]);
  const lines = "events/lines/0000000000000001.ndjson";
  await on((dir) => flipBit(`${dir}/${lines}`, { byte: 20, bit: 1 }), ["file-store damage"]);
});

Deno.test("examine tells of a dead letter and of a scheduled event that cannot be read", async () => {
  const dead = 'UPDATE dead_letters SET line = CAST(\'{"id":"other"}\' AS BLOB) WHERE number = 2';
  await on((dir) => change(`${dir}/state.db`, dead), ["state-database damage"]);
  const scheduled =
    "INSERT INTO scheduled (number, topic, id, type, due_at, wait_ms, accepted_at," +
    " after_seq, stamped, line) VALUES (1, 'orders', 'x', 'a', 1, 1, 1, 0, 0, CAST('{}' AS BLOB))";
  await on((dir) => change(`${dir}/state.db`, scheduled), ["state-database damage"]);
});

Deno.test("examine tells of a state that is gone beside events", () =>
  on((dir) => {
    Deno.removeSync(`${dir}/state.db`);
  }, ["state-database damage"]));

Deno.test("examine tells of a topic that ends before what is remembered of it", async () => {
  await on((dir) => recall(dir, [["orders", 3], ["lines", 3]]), []);
  await on((dir) => recall(dir, [["orders", 4]]), ["whole damage"]);
  await on((dir) => recall(dir, [["lines", 4]]), ["whole damage"]);
});

Deno.test("examine tells of a file that the data dir had", () =>
  on((dir) => {
    Deno.removeSync(`${dir}/events`, { recursive: true });
  }, ["whole damage"]));

Deno.test("examine tells of what is in the quarantine until it is accepted", async () => {
  const loss = { file: "state.db", what: "it is gone", now: NOW };
  await on((dir) => noteLoss(`${dir}/quarantine`, loss), ["quarantine damage"]);
  await on((dir) => {
    noteLoss(`${dir}/quarantine`, loss);
    acceptQuarantine(`${dir}/quarantine`);
  }, []);
});

Deno.test("examine tells of files that others can read or write, or that are links", async () => {
  for (const mode of [0o640, 0o604, 0o602]) {
    await on((dir) => Deno.chmodSync(`${dir}/state.db`, mode), ["modes warning"]);
  }
  for (const mode of [0o620, 0o602]) {
    await inFolder(async (dir) => {
      await fill(dir);
      Deno.chmodSync(`${dir}/state.db`, mode);
      const said = (await findings(dir)).filter(({ level }) => level !== "ok");
      assert.match(said[0]!.what, /^others can write to it .* a daemon refuses to start on it/);
    });
  }
  await on((dir) => Deno.chmodSync(dir, 0o755), ["modes warning"]);
  await on((dir) => Deno.linkSync(`${dir}/state.db`, `${dir}.second-name`), ["modes warning"]);
});

Deno.test("examine tells of a log of which SQLite would drop the end in silence", () =>
  on((dir) => {
    const other = `${dir}.copy`;
    const database = new DatabaseSync(`${dir}/state.db`);
    for (let n = 1; n <= 5; n++) database.exec(`UPDATE generation SET value = value + ${n}`);
    Deno.copyFileSync(`${dir}/state.db-wal`, other);
    database.close();
    Deno.renameSync(other, `${dir}/state.db-wal`);
    // In the page of the second of several commits.
    flipBit(`${dir}/state.db-wal`, { byte: 32 + 24 + 4096 + 24 + 100, bit: 2 });
  }, ["write-ahead-logs damage"]));

/** The state database as a kill leaves it, with a log of several commits and its index. */
function killed(dir: string): void {
  const files = ["state.db", "state.db-wal", "state.db-shm"];
  const database = new DatabaseSync(`${dir}/state.db`);
  // It ends as it was.
  for (const n of [1, -1, 1, -1]) database.exec(`UPDATE generation SET value = value + ${n}`);
  for (const file of files) Deno.copyFileSync(`${dir}/${file}`, `${dir}.${file}`);
  database.close();
  for (const file of files) Deno.renameSync(`${dir}.${file}`, `${dir}/${file}`);
}

Deno.test("examine tells of a log that was cut or removed after a kill, and of none that is whole", async () => {
  await on((dir) => killed(dir), []);
  for (const length of [32 + 2 * (24 + 4096), 32, 0]) {
    await on((dir) => {
      killed(dir);
      Deno.truncateSync(`${dir}/state.db-wal`, length);
    }, ["write-ahead-logs warning"]);
  }
  await on((dir) => {
    killed(dir);
    Deno.removeSync(`${dir}/state.db-wal`);
  }, ["write-ahead-logs warning"]);
});

Deno.test("examine tells of a file of the spool that is damaged", () => {
  const request = { at: NOW, topic: "t", query: { type: "a" } };
  const bytes = encodeSpooled({ request, body: new TextEncoder().encode("1\n") });
  return on((dir) => {
    Deno.mkdirSync(`${dir}/spool`, { mode: 0o700 });
    const name = spoolName({ number: 1, events: 1, bytes: bytes.length, tag: "0123abcd" });
    bytes[bytes.length - 2]! ^= 1;
    Deno.writeFileSync(`${dir}/spool/${name}`, bytes, { mode: 0o600 });
  }, ["spool damage"]);
});

Deno.test("examine goes on behind a check that fails, and tells of it as damage unless the database is away", async () => {
  const look = () => {
    throw new Error("planted");
  };
  const away = () => {
    throw new CannotStoreError("away", { code: "postgres/unavailable" });
  };
  const good = { level: "warning", where: "x", what: "y" } as const;
  const found = [];
  const context = {
    ...{ dataDir: "/nothing", socket: "/nothing.sock", quick: true, now: NOW },
    room: () => Promise.resolve({ free: 1, size: 1 }),
  };
  const checks = [
    { name: "bad", look },
    { name: "away", look: away },
    { name: "good", look: () => [good] },
  ];
  for await (const one of examine(context, checks)) found.push(`${one.check} ${one.level}`);
  assert.deepEqual(found, ["bad damage", "away warning", "good warning"]);
});
