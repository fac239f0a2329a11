/**
 * Data that is removed while a daemon runs, the whole data dir or one file of it: nothing more is
 * acknowledged, and the daemon exits with an error. Both stores, and the state.
 */
import assert from "node:assert/strict";
import { SqliteState } from "../../core/state/sqlite.ts";
import { FileEventStore } from "../../core/store/file/file_event_store.ts";
import { SqliteEventStore } from "../../core/store/sqlite/sqlite_event_store.ts";
import { newEvent } from "../core/store/conformance.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { testFolder } from "../helpers/folder.ts";

const WORDS = /was removed or replaced while it was in use|No such file or directory/;

/** The status of a request; 0 if the connection broke. */
async function statusOf(request: () => Promise<{ status: number }>): Promise<number> {
  try {
    return (await request()).status;
  } catch (error) {
    if (error instanceof TypeError) return 0;
    throw error;
  }
}

function publish(daemon: TestDaemon): Promise<number> {
  return statusOf(() =>
    daemon.http("POST", "/v1/topics/t/events", { type: "x", payload: 1 }, {
      "content-type": "application/json",
    })
  );
}

function remove(dataDir: string, what: string): void {
  if (what === "") return Deno.removeSync(dataDir, { recursive: true });
  if (!what.includes("*")) return Deno.removeSync(`${dataDir}/${what}`, { recursive: true });
  const [folder, ending] = what.split("*") as [string, string];
  for (const { name } of [...Deno.readDirSync(`${dataDir}/${folder}`)]) {
    if (name.endsWith(ending)) Deno.removeSync(`${dataDir}/${folder}${name}`);
  }
}

const CASES = [
  ["sqlite", ""],
  ["sqlite", "events.db"],
  ["sqlite", "events.db-wal"],
  ["file", ""],
  ["file", "events"],
  ["file", "events/t/*.ndjson"],
  ["file", "events/t/*.index"],
] as const;

for (const [store, what] of CASES) {
  for (const durability of what === "" ? ["always", "os"] : ["always"]) {
    const name = what === "" ? "the data dir" : what;
    Deno.test(`daemon acknowledges nothing and ends when ${name} was taken away: ${store}, ${durability}`, async () => {
      await using daemon = await startDaemon({ store, durability });
      assert.equal(await publish(daemon), 200);
      remove(daemon.dataDir, what);
      const { health } = (await daemon.http("GET", "/v1/status")).json;
      if (!what.includes("*")) assert.equal(health, "degraded", "the status says so before");
      assert.notEqual(await publish(daemon), 200);
      const { success, code } = await daemon.exited();
      assert.ok(!success, `it ended with ${code}`);
    });
  }
}

for (const what of ["", "state.db", "state.db-wal"]) {
  Deno.test(`daemon confirms no change and ends when ${what || "the data dir"} was taken away`, async () => {
    await using daemon = await startDaemon();
    const put = (name: string) =>
      statusOf(() => daemon.http("PUT", `/v1/subscriptions/${name}`, { topic: "t" }));
    assert.equal(await put("a"), 201);
    remove(daemon.dataDir, what);
    const status = await put("b");
    assert.ok(status !== 200 && status !== 201, `${status}`);
    assert.ok(!(await daemon.exited()).success);
  });
}

Deno.test("SqliteEventStore, FileEventStore and SqliteState refuse to acknowledge what has no name any more", async () => {
  const folder = await testFolder("test");
  const sqlite = new SqliteEventStore(`${folder}/events.db`);
  const file = new FileEventStore(`${folder}/events`);
  const state = new SqliteState(`${folder}/state.db`);
  const append = [{ topic: "t", events: [newEvent()] }];
  await sqlite.append(append);
  await file.append(append);
  await state.commit([{ op: "generation.next" }]);
  await Deno.remove(folder, { recursive: true });
  await assert.rejects(sqlite.append(append), WORDS);
  await assert.rejects(file.append(append), WORDS);
  await assert.rejects(state.commit([{ op: "generation.next" }]), WORDS);
  sqlite.closeSync();
  state.closeSync();
  await file.close();
});

for (const ending of ["ndjson", "index"]) {
  Deno.test(`FileEventStore acknowledges nothing when its .${ending} file has another name, or its name another file`, async () => {
    for (const another of [false, true]) {
      const folder = await testFolder("test");
      const store = new FileEventStore(`${folder}/events`);
      const append = [{ topic: "t", events: [newEvent()] }];
      await store.append(append);
      const path = `${folder}/events/t/0000000000000001.${ending}`;
      Deno.renameSync(path, `${path}.old`);
      if (another) Deno.copyFileSync(`${path}.old`, path);
      await assert.rejects(store.append(append), WORDS);
      await store.close();
    }
  });
}
