/**
 * The state with its writer in a worker, which ends when idle and is started again for the next
 * commit.
 */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../core/base/errors.ts";
import type { CompatibilityLevel } from "../../../core/event/compatibility_level.ts";
import { IDLE_MS } from "../../../core/base/idle_timer.ts";
import { STATE_FORMAT } from "../../../core/state/migrations.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { WorkerState } from "../../../core/state/worker_state.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import { until } from "../../helpers/evs.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { testState } from "./conformance.ts";

const script = new URL("../../../daemon/state_worker.ts", import.meta.url);

testState("WorkerState", async () => {
  const dir = await Deno.makeTempDir();
  const open = () => WorkerState.open(`${dir}/state.db`, { script });
  let state = await open();
  return {
    state,
    async reopen() {
      await state.close();
      return state = await open();
    },
    async dispose() {
      await state.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
});

const topic = (name: string): StateChange => ({
  op: "topic.put",
  record: { name, options: { ...defaultTopicOptions }, createdAt: 1 },
});

/** What was committed, as a state that is opened afresh reads it. */
function topicsIn(path: string): string[] {
  const state = new SqliteState(path);
  const names = state.load().topics.map(({ name }) => name);
  state.closeSync();
  return names;
}

Deno.test("WorkerState loads what was committed before anybody asked what it kept", async () => {
  const dir = await Deno.makeTempDir();
  const state = await WorkerState.open(`${dir}/state.db`, { script });
  await state.commit([topic("early")]);
  assert.deepEqual(state.load().topics.map(({ name }) => name), ["early"]);
  await state.commit([topic("later")]);
  assert.deepEqual(state.load().topics.map(({ name }) => name), ["early", "later"]);
  await state.close();
  await Deno.remove(dir, { recursive: true });
});

/** Runs `body` with a state, and counts the workers that were begun and ended. */
async function watching(
  body: (watched: {
    state: WorkerState;
    path: string;
    clock: FakeClock;
    workers: { begun: number; ended: number };
    /** Resolves when this many have ended. */
    ended(count: number): Promise<void>;
  }) => Promise<void>,
  worker: URL = script,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/state.db`;
  const Real = globalThis.Worker;
  const workers = { begun: 0, ended: 0 };
  globalThis.Worker = class extends Real {
    constructor(specifier: string | URL, options?: WorkerOptions) {
      super(specifier, options);
      workers.begun++;
    }
    override terminate() {
      super.terminate();
      workers.ended++;
    }
  };
  try {
    new SqliteState(path).closeSync();
    const clock = new FakeClock();
    const state = await WorkerState.open(path, { script: worker, clock });
    const ended = (count: number) => until(() => Promise.resolve(workers.ended === count));
    await body({ state, path, clock, workers, ended });
  } finally {
    globalThis.Worker = Real;
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("WorkerState ends its worker when nothing was committed for a while and begins another with the next commit", () =>
  watching(async ({ state, path, clock, workers, ended }) => {
    await state.commit([topic("a")]);
    await clock.pass(IDLE_MS);
    await ended(1);
    assert.deepEqual(state.load().topics.map(({ name }) => name), ["a"]);
    await state.commit([topic("b")]);
    assert.deepEqual(workers, { begun: 2, ended: 1 });
    assert.deepEqual(state.load().topics.map(({ name }) => name), ["a", "b"]);
    await clock.pass(IDLE_MS);
    await ended(2);
    await state.commit([topic("c")]);
    await state.close();
    assert.deepEqual(workers, { begun: 3, ended: 3 });
    assert.deepEqual(topicsIn(path), ["a", "b", "c"]);
  }));

Deno.test("WorkerState ends its worker when nothing was ever committed", () =>
  watching(async ({ state, clock, ended }) => {
    await clock.pass(IDLE_MS);
    await ended(1);
    await state.close();
  }));

Deno.test("WorkerState keeps its worker while commits come", () =>
  watching(async ({ state, clock, workers }) => {
    for (let i = 0; i < 10; i++) {
      await state.commit([topic(`t${i}`)]);
      await clock.pass(IDLE_MS - 1);
    }
    assert.deepEqual(workers, { begun: 1, ended: 0 });
    await state.close();
  }));

Deno.test("WorkerState keeps what is committed while its worker ends, in order", () =>
  watching(async ({ state, path, clock, workers }) => {
    await clock.pass(IDLE_MS); // the worker is asked to end
    assert.equal(workers.ended, 0);
    const level = (level: CompatibilityLevel): StateChange => ({
      op: "schema.level",
      record: { type: "x", level },
    });
    await Promise.all(
      (["none", "full", "backward"] as const).map((name) => state.commit([level(name)])),
    );
    assert.deepEqual(workers, { begun: 2, ended: 1 });
    await state.close();
    const after = new SqliteState(path);
    assert.deepEqual(after.load().levels.map(({ level }) => level), ["backward"]);
    after.closeSync();
  }));

for (
  const [when, prepare] of [
    ["while its worker works", () => Promise.resolve()],
    ["while its worker ends", ({ clock }) => clock.pass(IDLE_MS)],
    ["at rest", async ({ clock, ended }) => {
      await clock.pass(IDLE_MS);
      await ended(1);
    }],
  ] as [
    string,
    (w: { clock: FakeClock; ended(count: number): Promise<void> }) => Promise<void>,
  ][]
) {
  Deno.test(`WorkerState leaves a whole database without a log when it is closed ${when}`, () =>
    watching(async ({ state, path, clock, workers, ended }) => {
      await state.commit([topic("a")]);
      await prepare({ clock, ended });
      await state.close();
      assert.deepEqual(workers, { begun: 1, ended: 1 });
      assert.equal(clock.timers, 0);
      await assert.rejects(Deno.stat(`${path}-wal`), Deno.errors.NotFound);
      assert.deepEqual(topicsIn(path), ["a"]);
    }));
}

Deno.test("WorkerState does not repair a log that it reads when it begins another worker", () =>
  watching(async ({ state, path, clock, ended }) => {
    await state.commit([topic("a")]);
    await clock.pass(IDLE_MS);
    await ended(1);
    // The checksum of the log's first frame: opening the database again repairs it, and keeps a
    // copy.
    const log = await Deno.readFile(`${path}-wal`);
    log[32 + 16]! ^= 1;
    await Deno.writeFile(`${path}-wal`, log);
    await state.commit([topic("b")]);
    await state.close();
    const quarantine = new URL("quarantine", `file://${path}`).pathname;
    await assert.rejects(Deno.stat(quarantine), Deno.errors.NotFound);
    assert.deepEqual(topicsIn(path), ["a", "b"]);
  }));

/** A worker that answers each call with what `code` makes of it. */
const workerThat = (code: string) =>
  new URL(`data:application/javascript,${
    encodeURIComponent(`
      self.onmessage = ({ data: { id, call, lent } }) => {
        const succeed = () => self.postMessage({ id, ok: true, value: undefined, lent });
        const fail = (code) =>
          self.postMessage({ id, ok: false, error: { code, message: "planted" }, lent });
        ${code}
      };`)
  }`);

Deno.test("WorkerState begins no other worker when a commit failed for good", () =>
  watching(
    async ({ state, clock, workers }) => {
      await assert.rejects(state.commit([topic("a")]), /planted/);
      await clock.pass(IDLE_MS);
      await assert.rejects(state.commit([topic("a")]), /planted/);
      assert.deepEqual(workers, { begun: 1, ended: 0 });
      await state.close();
    },
    workerThat('if (call.op === "commit") fail("internal"); else succeed();'),
  ));

Deno.test("WorkerState goes on after a commit for which there was no room", () =>
  watching(
    async ({ state, clock, workers, ended }) => {
      await assert.rejects(state.commit([topic("a")]), CannotStoreError);
      await clock.pass(IDLE_MS);
      await ended(1);
      await assert.rejects(state.commit([topic("a")]), CannotStoreError);
      assert.deepEqual(workers, { begun: 2, ended: 1 });
      await state.close();
    },
    workerThat('if (call.op === "commit") fail("store/disk-full"); else succeed();'),
  ));

Deno.test("WorkerState refuses what is committed when no other worker can begin", () =>
  watching(
    async ({ state, clock, ended }) => {
      await clock.pass(IDLE_MS);
      await ended(1);
      await assert.rejects(state.commit([topic("a")]), /planted/);
      await state.close();
    },
    workerThat("if (call.again) fail('internal'); else succeed();"),
  ));

Deno.test("WorkerState says to start the daemon again when its worker's program was replaced meanwhile", async () => {
  const dir = await Deno.makeTempDir();
  const program = new URL(`file://${dir}/worker.ts`);
  await Deno.writeTextFile(program, `import ${JSON.stringify(script.href)};`);
  const told: unknown[] = [];
  const listener = (event: ErrorEvent) => {
    event.preventDefault();
    told.push(event.error);
  };
  globalThis.addEventListener("error", listener);
  try {
    await watching(async ({ state, clock, ended }) => {
      await state.commit([topic("a")]);
      await clock.pass(IDLE_MS);
      await ended(1);
      await Deno.writeTextFile(program, `throw new Error("of another version");`);
      await assert.rejects(state.commit([topic("b")]), /replaced or removed .*: evs daemon start/);
      await until(() => Promise.resolve(told.length > 0));
      assert.match(String(told[0]), /of another version; where the program was replaced/);
      await state.close();
    }, program);
  } finally {
    globalThis.removeEventListener("error", listener);
    await Deno.remove(dir, { recursive: true });
  }
});

for (
  const [when, code] of [
    ["with a commit under way", 'if (call.op === "commit") throw new Error("boom"); succeed();'],
    ["at its end", 'if (call.op === "close") throw new Error("boom"); succeed();'],
  ] as const
) {
  Deno.test(`WorkerState tells of a worker that dies ${when}, and begins no other`, () =>
    watching(async ({ state, clock, workers }) => {
      const told: unknown[] = [];
      const listener = (event: ErrorEvent | PromiseRejectionEvent) => {
        event.preventDefault();
        told.push("reason" in event ? event.reason : event.error);
      };
      globalThis.addEventListener("error", listener);
      globalThis.addEventListener("unhandledrejection", listener);
      try {
        if (code.includes('"commit"')) {
          await assert.rejects(state.commit([topic("a")]), /a worker of the daemon died/);
        }
        await clock.pass(IDLE_MS);
        await until(() => Promise.resolve(told.length > 0));
        assert.match(String(told[0]), /a worker of the daemon died/);
        await assert.rejects(state.commit([topic("a")]), /a worker of the daemon died/);
        await clock.pass(IDLE_MS);
        assert.equal(workers.begun, 1);
        await assert.rejects(state.close(), /a worker of the daemon died/);
      } finally {
        globalThis.removeEventListener("error", listener);
        globalThis.removeEventListener("unhandledrejection", listener);
      }
    }, workerThat(code)));
}

Deno.test("SqliteState refuses to go on with a file that another version of the program reads", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/state.db`;
    const reader = new SqliteState(path);
    assert.throws(() => new SqliteState(path, { again: STATE_FORMAT - 1 }), /program was replaced/);
    reader.closeSync();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
