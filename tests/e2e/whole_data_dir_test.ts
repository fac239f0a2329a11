/**
 * Contract row 27: each file and folder of a data dir is removed, one at a time, after a stop and
 * after a kill, in both stores. Whatever is missing is reported by the log, the status, the health
 * and evs doctor, before the start and after it; and no number is reused.
 */
import assert from "node:assert/strict";
import { readWatermarks } from "../../core/data_dir/watermarks.ts";
import { examine } from "../../core/doctor/doctor.ts";
import { dose } from "../helpers/dose.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/evs.ts";

/** What a data dir held, as a client sees it. */
interface Held {
  seqs: Record<string, number[]>;
  subscriptions: string[];
  cursor: number;
  dead: number;
  schemas: number;
}

const TOPICS = ["orders", "Users"];
const MAIN = /^(?:events|events\.db|events\.db-wal|state\.db-wal|events\/orders\/.*ndjson)$/;

async function held(daemon: TestDaemon): Promise<Held> {
  const seqs: Held["seqs"] = {};
  for (const topic of TOPICS) {
    const answer = await daemon.http("GET", `/v1/topics/${topic}/events`);
    const lines = answer.status === 200 ? answer.text.split("\n").filter(Boolean) : [];
    seqs[topic] = lines.map((line) => JSON.parse(line).seq);
  }
  const { subscriptions } = (await daemon.http("GET", "/v1/subscriptions")).json;
  const [one] = subscriptions;
  return {
    seqs,
    subscriptions: subscriptions.map(({ name }: { name: string }) => name),
    cursor: one?.cursors.find(({ topic }: { topic: string }) => topic === "orders")?.next ?? 0,
    dead: (await daemon.http("GET", "/v1/dead-letters")).text.split("\n").filter(Boolean).length,
    schemas: (await daemon.http("GET", "/v1/schemas")).json.schemas.length,
  };
}

/**
 * Two topics, a schema, a subscription that has done some and gave one up, retention that took a
 * few.
 */
async function fill(daemon: TestDaemon): Promise<void> {
  await daemon.http("PUT", "/v1/schemas/placed?version=1.0", { type: "object" });
  for (let n = 0; n < 40; n++) await daemon.publish("orders", "placed", { n });
  await daemon.publish("Users", "made", 1, 2, 3);
  await daemon.http("PUT", "/v1/subscriptions/s", { topic: "orders" });
  const { deliveries } = (await daemon.http("POST", "/v1/subscriptions/s/lease", { max: 9 })).json;
  const [first, ...rest] = deliveries.map(({ lease }: { lease: string }) => lease);
  const gaveUp = { deliveries: [{ lease: first, error: "no", dead: true }] };
  assert.equal((await daemon.http("POST", "/v1/subscriptions/s/nack", gaveUp)).status, 200);
  await daemon.http("POST", "/v1/subscriptions/s/ack", { leases: rest });
}

/** Paths in a folder, files and folders, relative to it. */
function paths(folder: string, at = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${at}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? [`${at}${name}`, ...paths(folder, `${at}${name}/`)] : [`${at}${name}`]
  ).sort();
}

function copy(from: string, to: string): void {
  Deno.mkdirSync(to, { mode: 0o700 });
  for (const path of paths(from)) {
    const info = Deno.lstatSync(`${from}/${path}`);
    if (info.isDirectory) Deno.mkdirSync(`${to}/${path}`, { mode: 0o700 });
    else {
      Deno.copyFileSync(`${from}/${path}`, `${to}/${path}`);
      Deno.utimeSync(`${to}/${path}`, info.atime!, info.mtime!);
    }
  }
}

async function damages(dataDir: string, running?: TestDaemon): Promise<string[]> {
  const found: string[] = [];
  const ask = async (path: string) => (await running!.http("GET", path)).json;
  const context = {
    dataDir,
    socket: "/nowhere",
    quick: false,
    now: Date.now(),
    room: () => Promise.resolve({ free: 1e12, size: 1e12 }),
    ...(running ? { status: await ask("/v1/status"), ask } : {}),
  };
  for await (const { level, where, what } of examine(context)) {
    if (level === "damage") found.push(`${where}: ${what}`);
  }
  return found;
}

for (const store of ["sqlite", "file"]) {
  for (const ending of ["stopped", "killed"] as const) {
    Deno.test(`nothing is missing in silence when any one file of a ${ending} data dir is gone: ${store}`, async () => {
      await using daemon = await startDaemon({ store });
      await fill(daemon);
      const before = await held(daemon);
      assert.deepEqual([before.seqs["orders"]!.length, before.dead, before.schemas], [40, 1, 1]);
      await until(() => readWatermarks(daemon.dataDir)?.ends.get("Users") === 3);
      if (ending === "killed") await daemon.kill();
      else await daemon.stop();
      const every = paths(daemon.dataDir);
      // The suite takes those that hold most, every one is taken at the dose of the floor.
      const all = dose(1) >= 10 ? every : every.filter((path) => MAIN.test(path));
      let told = 0;
      for (const path of all) {
        await using other = await newDaemon({ store });
        copy(daemon.dataDir, other.dataDir);
        Deno.removeSync(`${other.dataDir}/${path}`, { recursive: true });
        const stopped = await damages(other.dataDir);
        await other.start();
        const after = await held(other);
        const where = `${path}: ${JSON.stringify(after)}`;
        const isLess = JSON.stringify(after) !== JSON.stringify(before);
        if (isLess) {
          told++;
          assert.ok(stopped.length > 0, `doctor before the start, ${where}`);
          assert.ok((await damages(other.dataDir, other)).length > 0, `doctor, ${where}`);
          const { health, problems } = (await other.http("GET", "/v1/status")).json;
          assert.equal(health, "degraded", where);
          assert.ok(problems.length > 0, where);
          assert.equal((await other.http("GET", "/v1/health")).status, 503, where);
          const log = Deno.readTextFileSync(`${other.dataDir}/log/daemon.log`);
          assert.match(log, /damage|recovery/, where);
        }
        for (const topic of TOPICS) {
          const [last] = before.seqs[topic]!.slice(-1);
          const { firstSeq } = await other.publish(topic, "x", {});
          assert.equal(firstSeq, last! + 1, `${topic}, ${where}`);
        }
        await other.stop();
        // It is known after another start, too, until somebody takes note.
        await other.start();
        const problems = (await other.http("GET", "/v1/status")).json.problems;
        if (isLess) assert.ok(problems.length > 0, `after a restart, ${where}`);
        assert.equal((await other.http("POST", "/v1/damage/accept")).status, 200);
        assert.equal((await other.http("GET", "/v1/health")).status, 200, where);
        await other.stop();
      }
      assert.ok(told >= (store === "sqlite" ? 1 : 2), `${told} of ${all.length}: ${all}`);
    });
  }
}
