/**
 * The data dir as a whole, without a daemon: what a start finds gone and keeps, what is recorded
 * while it is in use, and when it is closed. With one: tests/e2e/whole_data_dir_test.ts.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../core/broker/event_broker.ts";
import { readWatermarks, writeWatermarks } from "../../core/data_dir/watermarks.ts";
import { SqliteState } from "../../core/state/sqlite.ts";
import type { StateChange } from "../../core/state/state.ts";
import type { WorkerState } from "../../core/state/worker_state.ts";
import { readQuarantine } from "../../core/store/quarantine.ts";
import { SqliteEventStore } from "../../core/store/sqlite/sqlite_event_store.ts";
import { dataDirAt } from "../../daemon/data_dir.ts";
import { findDataDir, keepWhole, startFailed } from "../../daemon/whole.ts";
import { inFolder, modeOf } from "../helpers/start.ts";

/** Opens a data dir as a daemon does, with the stores of this thread. */
async function open(path: string) {
  const dataDir = dataDirAt(path);
  const found = findDataDir(dataDir);
  const state = new SqliteState(dataDir.state, { lock: false });
  const { generation } = state.load();
  const commits: StateChange[] = [];
  const broker = new EventBroker({
    eventStore: new SqliteEventStore(dataDir.events, { lock: false }),
    state,
    onError: () => {}, // what is lost is told of here, too
  });
  await broker.ready;
  const errors: unknown[] = [];
  const counting = {
    generation,
    commit: (changes: readonly StateChange[]) => {
      commits.push(...changes);
      return state.commit(changes);
    },
  } as unknown as WorkerState;
  const onError = (error: unknown) => errors.push(error);
  const whole = await keepWhole(found, { dataDir, broker, state: counting, onError });
  return { found, broker, whole, commits, errors };
}

const gone = (path: string) =>
  readQuarantine(`${path}/quarantine`).filter((entry) => entry.gone).map(({ file }) => file);

Deno.test("keepWhole records what there is, counts each start, and the end of every topic at the close", () =>
  inFolder(async (path) => {
    for (let round = 0; round < 2; round++) {
      const { found, broker, whole, commits, errors } = await open(path);
      assert.deepEqual(found.missing, []);
      assert.deepEqual(commits, [{ op: "generation.next" }]);
      const marks = readWatermarks(path)!;
      assert.deepEqual([marks.phase, marks.files], ["open", ["events.db", "state.db"]]);
      for (let n = 0; n < 3; n++) await broker.publish("orders", "placed", n);
      await whole.close();
      const closed = readWatermarks(path)!;
      assert.equal(closed.phase, "closed");
      assert.ok(closed.generation > marks.generation, "the closing was counted");
      assert.deepEqual(closed.ends, new Map([["orders", 3 * (round + 1)]]));
      assert.deepEqual([gone(path), errors], [[], []]);
    }
  }));

Deno.test("keepWhole records the end of a topic while it is in use, for whoever kills it", () =>
  inFolder(async (path) => {
    const { broker, whole } = await open(path);
    for (let n = 0; n < 2; n++) await broker.publish("orders", "placed", n);
    const until = performance.now() + 30_000;
    while (readWatermarks(path)!.ends.get("orders") !== 2 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(readWatermarks(path)!.ends, new Map([["orders", 2]]));
    await whole.close();
  }));

Deno.test("findDataDir keeps the log of a database that is gone, which SQLite would remove", () =>
  inFolder((path) => {
    const files = ["events.db", "state.db"];
    writeWatermarks(path, { phase: "open", generation: 1, files, ends: new Map() });
    for (const file of files) {
      Deno.writeTextFileSync(`${path}/${file}-wal`, `log of ${file}`, { mode: 0o600 });
    }
    const { missing } = findDataDir(dataDirAt(path));
    assert.deepEqual(missing.map(({ file }) => file), files);
    const kept = readQuarantine(`${path}/quarantine`);
    const texts = kept.map(({ copy }) => Deno.readTextFileSync(`${path}/quarantine/${copy}`));
    assert.deepEqual(texts, ["log of events.db", "log of state.db"]);
    assert.throws(() => Deno.lstatSync(`${path}/events.db-wal`), Deno.errors.NotFound);
    assert.equal(modeOf(`${path}/state.db`), "600", "a new one, for the owner alone");
  }));

Deno.test("keepWhole records once what is gone: a database, or a state that is older than the rest", () =>
  inFolder(async (path) => {
    let opened = await open(path);
    await opened.broker.publish("orders", "placed", 1);
    await opened.whole.close();
    Deno.copyFileSync(`${path}/state.db`, `${path}/older`);
    await (await open(path)).whole.close();
    Deno.renameSync(`${path}/older`, `${path}/state.db`);
    for (let round = 0; round < 2; round++) {
      await (await open(path)).whole.close();
      assert.deepEqual(gone(path), ["state.db"]);
    }
    Deno.removeSync(`${path}/events.db`);
    opened = await open(path);
    assert.deepEqual(opened.found.missing.map(({ file }) => file), ["events.db"]);
    assert.ok(gone(path).includes("events.db"));
    await opened.whole.close();
  }));

Deno.test("WholeDataDir names files that were taken away while they were in use", () =>
  inFolder(async (path) => {
    const { broker, whole } = await open(path);
    await broker.publish("orders", "placed", 1);
    assert.deepEqual(whole.takenAway(), []);
    for (const file of ["events.db", "events.db-wal", "state.db", "state.db-wal"]) {
      Deno.renameSync(`${path}/${file}`, `${path}/aside`);
      assert.match(whole.takenAway().join(), new RegExp(`^${file} was taken away below`));
      Deno.renameSync(`${path}/aside`, `${path}/${file}`);
    }
    await whole.close();
  }));

Deno.test("startFailed lets no later start miss the log that SQLite removed, whatever clocks say", () =>
  inFolder((path) => {
    const dataDir = dataDirAt(path);
    const files = ["events.db", "state.db"];
    const ends = new Map([["orders", 3]]);
    for (const file of [...files, ...files.map((file) => `${file}-wal`)]) {
      Deno.writeTextFileSync(`${path}/${file}`, file, { mode: 0o600 });
    }
    writeWatermarks(path, { phase: "open", generation: 2, files, ends });
    const found = findDataDir(dataDir);
    for (const file of files) Deno.removeSync(`${path}/${file}-wal`);
    assert.equal(findDataDir(dataDir).missing.length, 2, "the times alone say that they are gone");
    startFailed(dataDir, found);
    assert.deepEqual(findDataDir(dataDir).missing, []);
    const { generation, files: known, ends: last } = readWatermarks(path)!;
    assert.deepEqual([generation, known, last], [2, files, ends], "the rest of it stays");
  }));

Deno.test("startFailed changes nothing when the start has missed something itself, or all was closed", () =>
  inFolder((path) => {
    const dataDir = dataDirAt(path);
    const files = ["state.db"];
    for (const phase of ["open", "closed"] as const) {
      writeWatermarks(path, { phase, generation: 2, files, ends: new Map() });
      const found = findDataDir(dataDir);
      assert.equal(found.missing.length, phase === "open" ? 1 : 0);
      startFailed(dataDir, found);
      assert.equal(readWatermarks(path)!.phase, phase);
    }
  }));
