/**
 * Every state keeps the same promises: memory, SQLite, the worker (worker_state_test.ts) and PostgreSQL
 * (tests/system/postgres).
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DataDirError } from "../../../core/base/errors.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import { STATE_FORMAT } from "../../../core/state/migrations.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import { LateState, nextTick } from "../../helpers/late_state.ts";
import { testState } from "./conformance.ts";
import { memoryState, sqliteState } from "./subjects.ts";

testState("MemoryState", memoryState);
testState("SqliteState", sqliteState);
// What the tests of brokers on a state that is elsewhere rely on.
testState("LateState on MemoryState", async () => {
  const { state, reopen, dispose } = await memoryState();
  const late = (state: State) => new LateState(state, { turn: nextTick });
  return { state: late(state), reopen: async () => late(await reopen()), dispose };
});

async function inFolder(body: (path: string) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(`${dir}/state.db`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const topic = (name: string): StateChange => ({
  op: "topic.put",
  record: {
    name,
    options: { ...defaultTopicOptions, schema: "off", store: "file", durability: "interval:50" },
    createdAt: 1,
  },
});

Deno.test("SqliteState refuses a newer format in words and leaves the file alone", () =>
  inFolder(async (path) => {
    await new SqliteState(path).close();
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${STATE_FORMAT + 1}`);
    database.close();
    const before = await Deno.readFile(path);
    assert.throws(
      () => new SqliteState(path),
      (error) => error instanceof DataDirError && error.code === "datadir/newer-format",
    );
    assert.deepEqual(await Deno.readFile(path), before);
  }));

Deno.test("SqliteState refuses a database of something else", () =>
  inFolder((path) => {
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE theirs (a)");
    database.close();
    assert.throws(
      () => new SqliteState(path),
      (error) => error instanceof DataDirError && error.code === "datadir/unsafe",
    );
  }));

Deno.test("SqliteState keeps nothing of a commit that fails in the middle", () =>
  inFolder(async (path) => {
    const state = new SqliteState(path);
    const bad = topic("bad") as Extract<StateChange, { op: "topic.put" }>;
    bad.record.createdAt = null as unknown as number;
    await assert.rejects(state.commit([topic("good"), bad]));
    await state.close();
    const again = new SqliteState(path);
    assert.deepEqual(again.load().topics, []);
    await again.close();
  }));

Deno.test("SqliteState confirms nothing more when a commit has failed for good, until it is opened again", () =>
  inFolder(async (path) => {
    const state = new SqliteState(path);
    const bad = topic("bad") as Extract<StateChange, { op: "topic.put" }>;
    bad.record.createdAt = null as unknown as number;
    await state.commit([topic("a")]);
    await assert.rejects(state.commit([bad]), /NOT NULL/);
    await assert.rejects(state.commit([topic("b")]), /NOT NULL/);
    await assert.rejects(state.scrub(), /NOT NULL/);
    await state.close();
    const again = new SqliteState(path);
    assert.deepEqual(again.load().topics.map(({ name }) => name), ["a"]);
    await again.commit([topic("b")]);
    await again.close();
  }));

Deno.test("SqliteState confirms nothing when its file was removed or replaced", () =>
  inFolder(async (path) => {
    for (const suffix of ["", "-wal"]) {
      const state = new SqliteState(`${path}${suffix.length}`);
      await state.commit([topic("a")]);
      Deno.renameSync(`${path}${suffix.length}${suffix}`, `${path}.aside${suffix}`);
      await assert.rejects(state.commit([topic("b")]), { code: "datadir/taken-away" });
      Deno.writeTextFileSync(`${path}${suffix.length}${suffix}`, "another");
      await assert.rejects(state.commit([topic("b")]), { code: "datadir/taken-away" });
      await state.close();
    }
  }));

Deno.test("SqliteState reads beside a writer what the writer has committed", () =>
  inFolder(async (path) => {
    const writer = new SqliteState(path);
    const reader = new SqliteState(path, { readOnly: true });
    writer.commitSync([topic("a")]);
    assert.deepEqual(reader.load().topics.map(({ name }) => name), ["a"]);
    writer.commitSync([topic("b")]);
    assert.deepEqual(reader.load().topics.map(({ name }) => name), ["a", "b"]);
    assert.throws(() => reader.commitSync([topic("c")]));
    await reader.close();
    await writer.close();
  }));

/** Moves `count` dead letters of one subscription; ms. */
function moveTakes(path: string, count: number): number {
  const state = new SqliteState(path);
  const line = new TextEncoder().encode('{"seq":1}\n');
  const ids = Array.from({ length: count }, (_, i) => `${count}-${i}`);
  const about = { subscription: "s", topic: "t" };
  state.commitSync(ids.map((id) => ({
    op: "dead.put",
    record: { ...about, seq: 1, id, type: "n", reason: "no", diedAt: 1, attempts: [], line },
  })));
  const start = performance.now();
  state.commitSync([{ op: "dead.retry", ...about, ids, to: "s", dueAt: 1 }]);
  const took = performance.now() - start;
  assert.equal(state.countDeadLetters({}), 0);
  assert.equal(state.load().retries.length, count);
  state.closeSync();
  return took;
}

Deno.test("SqliteState moves dead letters in a time that grows as they do", () =>
  inFolder((path) => {
    // Sixteen times as many: what compares each with each takes 256 times as long. The best of
    // some: a sync may take any time.
    const [few, many] = [500, 8000].map((count) =>
      Math.min(...[1, 2, 3, 4].map((run) => moveTakes(`${path}-${count}-${run}`, count)))
    );
    assert.ok(many! < Math.max(64 * few!, 1000), `${few} ms for 500, ${many} ms for 8000`);
    return Promise.resolve();
  }));
