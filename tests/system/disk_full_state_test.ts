/**
 * A full disk and the state: what is removed, paused and sent again works in the room that is kept;
 * a daemon begins and ends on a full disk; a limit on the size of files is refused like one.
 */
import assert from "node:assert/strict";
import { RESERVE } from "../../daemon/space_reserve.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { Disk } from "../helpers/disk.ts";
import { evs, until } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";

const MIB = 1024 * 1024;

async function untilRefused(daemon: TestDaemon): Promise<void> {
  for (let n = 0;; n++) {
    assert.ok(n < 20_000, "the disk must be full by now");
    const payload = JSON.stringify("x".repeat(30_000 >> Math.min(8, n >> 6)));
    const { status, json } = await daemon.http("POST", "/v1/topics/full/events?type=n", payload);
    if (status === 200) continue;
    assert.equal(json.error.code, "store/disk-full");
    return;
  }
}

/** Fills the disk, but for what the daemon keeps. */
async function fill(daemon: TestDaemon, disk: Disk): Promise<void> {
  const held = () => Deno.stat(`${daemon.dataDir}/reserve`).then(({ size }) => size, () => 0);
  await until(async () => await held() >= RESERVE);
  await disk.fill(MIB / 2);
  await untilRefused(daemon);
}

/** Somebody takes what was left. */
function takeAll(path: string): void {
  using file = Deno.openSync(path, { append: true, create: true });
  const piece = new Uint8Array(4096);
  try {
    while (true) file.writeSync(piece);
  } catch (error) {
    assert.match(String(error), /No space left/);
  }
}

async function works(daemon: TestDaemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await evs(args, { at: daemon });
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Events of about 800 bytes. */
async function publish(daemon: TestDaemon, topic: string, count: number): Promise<void> {
  const body = `{"type":"n","payload":"${"x".repeat(800)}"}\n`.repeat(count);
  const { status, text } = await daemon.http("POST", `/v1/topics/${topic}/events`, body, {
    "content-type": "application/x-ndjson",
  });
  assert.equal(status, 200, text);
}

Deno.test("ten thousand dead letters are sent again and purged, and subscriptions paused and removed, when the disk is full", async () => {
  needTools("mkfs.ext4", "mount", "fallocate");
  await using disk = await Disk.make(160);
  await using daemon = await newDaemon({ dataDir: `${disk.path}/data` });
  await daemon.start();
  await publish(daemon, "jobs", 10_000);
  for (const name of ["dead", "waiting"]) {
    await daemon.http("PUT", `/v1/subscriptions/${name}`, { topic: "jobs" });
  }
  const failed = { error: "HTTP 503 from the bank" };
  await settleAll(daemon, { subscription: "dead", judge: () => ({ ...failed, dead: true }) });
  await settleAll(daemon, {
    subscription: "waiting",
    judge: () => ({ ...failed, afterMs: 3_600_000 }),
  });
  await fill(daemon, disk);

  const dead = async () => {
    const { json } = await daemon.http("GET", "/v1/subscriptions/dead");
    return { dead: json.dead, pending: json.pending + json.scheduled };
  };
  const pause = await works(
    daemon,
    "subscription",
    "pause",
    "dead",
    "--reason",
    "the bank is shut",
  );
  assert.match(pause, /the bank is shut/);
  // As many as one request may name.
  const list = await daemon.http("GET", "/v1/dead-letters?limit=1000");
  const ids = list.text.split("\n").filter(Boolean).map((line) => JSON.parse(line).id);
  const retried = await daemon.http("POST", "/v1/dead-letters/retry", { ids });
  assert.equal(retried.status, 200, retried.text.slice(0, 300));
  assert.equal((await dead()).dead, 9000);
  assert.equal((await dead()).pending, 1000);
  const purged = await daemon.http("POST", "/v1/dead-letters/remove", { subscription: "dead" });
  assert.equal(purged.status, 200, purged.text.slice(0, 300));
  assert.equal((await dead()).dead, 0);
  await works(daemon, "subscription", "remove", "waiting", "--yes");
  await works(daemon, "topic", "remove", "full", "--yes");
  await publish(daemon, "jobs", 10);
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);

  await daemon.kill();
  await daemon.start();
  assert.equal((await dead()).dead, 0);
  assert.equal((await dead()).pending, 1010);
  assert.equal((await daemon.http("GET", "/v1/subscriptions/waiting")).status, 404);
  await works(daemon, "doctor");
  await daemon.stop();
});

for (const store of ["sqlite", "file"]) {
  Deno.test(`a daemon begins, tells of it and makes room when the disk is full before its start: ${store}`, async () => {
    needTools("mkfs.ext4", "mount", "fallocate");
    await using disk = await Disk.make(64);
    await using daemon = await newDaemon({ store, dataDir: `${disk.path}/data` });
    await daemon.start();
    await publish(daemon, "old", 8000);
    await fill(daemon, disk);
    const stored = (await daemon.http("GET", "/v1/topics/full")).json.events;
    for (const end of ["killed", "stopped", "stopped"]) {
      if (end === "killed") await daemon.kill();
      else await daemon.stop();
      takeAll(`${disk.path}/others`);
      await daemon.start();
      const health = await daemon.http("GET", "/v1/health");
      assert.match(health.json.problems[0], /^the disk is full: /);
      assert.equal((await daemon.http("GET", "/v1/topics/full")).json.events, stored);
    }
    await works(daemon, "topic", "remove", "old", "--yes");
    const { status, text } = await daemon.http("POST", "/v1/topics/full/events?type=n", '"again"');
    assert.equal(status, 200, text);
    assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
    await daemon.stop();
    await daemon.start();
    await works(daemon, "doctor");
    await daemon.stop();
  });
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`publish is refused in words when a file reaches the limit of its size: ${store}`, async () => {
    needTools("prlimit");
    await using daemon = await newDaemon({ store, wrapper: ["prlimit", `--fsize=${12 * MIB}`] });
    await daemon.start();
    const { pid } = daemon;
    let [stored, refused] = [0, ""];
    for (let n = 0; refused === ""; n++) {
      assert.ok(n < 4000, "the limit must be reached by now");
      const payload = JSON.stringify("x".repeat(20_000));
      const { status, json } = await daemon.http("POST", "/v1/topics/full/events?type=n", payload);
      if (status === 200) stored++;
      else refused = json.error.code;
    }
    assert.equal(refused, "store/file-size-limit");
    const health = await daemon.http("GET", "/v1/health");
    assert.equal(health.status, 503);
    assert.match(health.json.problems[0], /ulimit -f/);
    assert.equal((await daemon.replay("full")).length, stored, "reads go on");
    assert.equal((await daemon.http("GET", "/v1/status")).json.pid, pid);
    await daemon.stop();
    daemon.options.wrapper = [];
    await daemon.start();
    assert.equal((await daemon.replay("full")).length, stored);
    await works(daemon, "publish", "full", "n", '"again"');
    await works(daemon, "doctor");
    await daemon.stop();
  });
}
