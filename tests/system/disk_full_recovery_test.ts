/**
 * A full disk is told of, and can be made less full: what takes something away works, in both
 * stores, and health recovers.
 */
import assert from "node:assert/strict";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { Disk } from "../helpers/disk.ts";
import { evs, until } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";
import { RESERVE } from "../../daemon/space_reserve.ts";

const MIB = 1024 * 1024;

/** Lines of the log that begin with these words. */
async function logged(daemon: TestDaemon, words: string): Promise<number> {
  const log = await Deno.readTextFile(`${daemon.dataDir}/log/daemon.log`);
  return log.split("\n").filter((line) => line.includes(`"message":"${words}`)).length;
}

async function metric(daemon: TestDaemon, name: string): Promise<number> {
  const { text } = await daemon.http("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

/** Publishes one event after the other until one is refused for want of room. */
async function untilRefused(daemon: TestDaemon, topic: string): Promise<void> {
  for (let n = 0;; n++) {
    assert.ok(n < 20_000, "the disk must be full by now");
    const payload = JSON.stringify("x".repeat(30_000 >> Math.min(6, n >> 6)));
    const { status, json } = await daemon.http(
      "POST",
      `/v1/topics/${topic}/events?type=n`,
      payload,
    );
    if (status === 200) continue;
    assert.equal(json.error.code, "store/disk-full");
    return;
  }
}

async function fullDisk(
  store: string,
): Promise<{ disk: Disk; daemon: TestDaemon } & AsyncDisposable> {
  needTools("mkfs.ext4", "mount", "fallocate");
  const disk = await Disk.make(160);
  const daemon = await newDaemon({ store, dataDir: `${disk.path}/data` });
  await daemon.start();
  // Small events: deleting them touches each page that they lie in.
  const line = `{"type":"n","payload":"${"x".repeat(100)}"}\n`;
  for (const topic of ["big", "cut"]) {
    for (let n = 0; n < 8; n++) {
      const body = line.repeat(8000);
      const { status } = await daemon.http("POST", `/v1/topics/${topic}/events`, body, {
        "content-type": "application/x-ndjson",
      });
      assert.equal(status, 200);
    }
  }
  const reserve = () => Deno.stat(`${daemon.dataDir}/reserve`).then(({ size }) => size, () => 0);
  await until(async () => await reserve() >= RESERVE);
  await disk.fill(MIB);
  await untilRefused(daemon, "full");
  return {
    disk,
    daemon,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await disk[Symbol.asyncDispose]();
    },
  };
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`a full disk is told of once, and taking something away works on it: ${store}`, async () => {
    await using at = await fullDisk(store);
    const { daemon } = at;
    for (let n = 0; n < 5; n++) await untilRefused(daemon, "full");

    const health = await daemon.http("GET", "/v1/health");
    assert.equal(health.status, 503);
    assert.equal(health.json.health, "degraded");
    assert.match(health.json.problems[0], /^the disk is full: .*evs topic remove TOPIC makes room/);
    const status = await evs(["status"], { at: daemon });
    assert.equal(JSON.parse(status.stdout).health, "degraded");
    assert.equal(await metric(daemon, "evs_disk_full"), 1);
    assert.ok(await metric(daemon, "evs_disk_full_refusals_total") >= 6);
    assert.equal(await logged(daemon, "the disk is full"), 1);
    assert.equal(await logged(daemon, "unexpected error"), 0);

    // What `evs doctor` advises. The filler stays: only what is taken away makes room.
    for (
      const args of [["topic", "update", "cut", "--max-events", "10"], [
        "topic",
        "remove",
        "big",
        "--yes",
      ]]
    ) {
      const { code, stderr } = await evs(args, { at: daemon });
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    }
    await until(async () => (await daemon.http("GET", "/v1/topics/cut")).json.events === 10);
    // Retention may still be under way, and publishing is refused meanwhile.
    await until(async () => {
      const { status, json } = await daemon.http(
        "POST",
        "/v1/topics/full/events?type=n",
        JSON.stringify("x".repeat(100_000)),
      );
      if (status !== 200) assert.match(json.error.message, /room is being made/);
      return status === 200;
    });
    assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
    assert.equal(await metric(daemon, "evs_disk_full"), 0);

    await daemon.stop();
    await daemon.start();
    assert.equal((await evs(["doctor"], { at: daemon })).code, 0);
    assert.deepEqual((await daemon.replay("cut")).length, 10);
    await daemon.stop();
  });
}

Deno.test("health recovers by itself when a full disk has room again and nobody publishes", async () => {
  await using at = await fullDisk("sqlite");
  const { daemon, disk } = at;
  assert.equal((await daemon.http("GET", "/v1/health")).status, 503);
  await disk.makeRoom();
  await until(async () => (await daemon.http("GET", "/v1/health")).status === 200);
  await until(async () => await logged(daemon, "the disk has room again") === 1);
  await daemon.stop();
});
