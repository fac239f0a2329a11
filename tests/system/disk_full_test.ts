/**
 * Contract row 8: a full disk is a typed error for the publisher, reads continue, nothing that was
 * acknowledged is lost, and publishing works again by itself once there is space.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { RemoteError } from "../../core/base/errors.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { Disk } from "../helpers/disk.ts";
import { dose } from "../helpers/dose.ts";
import { evs, until } from "../helpers/evs.ts";
import { RESERVE } from "../../daemon/space_reserve.ts";
import { heldInOneOf, type Series } from "../helpers/series.ts";
import { needTools } from "../helpers/shell.ts";
import { timeOf } from "../helpers/time_of.ts";

/** The contract's deadline for publishing to work again, ms; and what nothing may take. */
const [AGAIN_WITHIN, AT_MOST] = [2000, 60_000];

/** Publishes until it is refused; returns the ids that were acknowledged and the refusal. */
async function publishUntilRefused(daemon: TestDaemon, round: string) {
  using client = new Client({ socket: daemon.socket });
  const acknowledged: string[] = [];
  for (let n = 0;; n++) {
    assert.ok(n < 20_000, "the disk must be full by now");
    // Sizes differ, so that the last record ends anywhere in a block.
    const ids = Array.from({ length: 1 + n % 7 }, (_, i) => `${round}-${n}-${i}`);
    const body = ids.map((id) =>
      `{"type":"n","id":"${id}","payload":"${"x".repeat(500 + (n * 397) % 4000)}"}\n`
    ).join("");
    try {
      const reply = await client.call<{ events: { id: string }[] }>({
        method: "POST",
        path: "/v1/topics/full/events",
        body,
        contentType: "application/x-ndjson",
      });
      acknowledged.push(...reply.events.map(({ id }) => id));
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      return { acknowledged, refusal: error };
    }
  }
}

/** Tries until it is taken; the time that it took. */
async function untilTaken(daemon: TestDaemon, payload: string): Promise<number> {
  const began = performance.now();
  using client = new Client({ socket: daemon.socket });
  while (true) {
    try {
      await client.publish("full", payload, { query: { type: "n" } });
      return performance.now() - began;
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      assert.ok(performance.now() - began < AT_MOST, `still refused: ${error.message}`);
    }
  }
}

/**
 * Fills the disk until the daemon and the command refuse, and makes room again; returns whether
 * publishing went on in time. Adds what was acknowledged.
 */
async function fillAndMakeRoom(
  { daemon, disk }: { daemon: TestDaemon; disk: Disk },
  round: string,
  acknowledged: string[],
): Promise<Series> {
  await disk.fill(2 * 1024 * 1024);
  const full = await publishUntilRefused(daemon, round);
  acknowledged.push(...full.acknowledged);
  assert.equal(full.refusal.code, "store/disk-full");
  assert.equal(full.refusal.status, 507);
  assert.match(full.refusal.message, /the disk is full: nothing of this was stored/);

  // The command says the same, and ends with its own exit code. What the daemon tried to keep in
  // reserve when it refused may be free again.
  const large = ["publish", "full", "n", JSON.stringify("y".repeat(60_000))];
  let cli = await evs(large, { at: daemon });
  for (let more = 0; cli.code === 0 && more < 100; more++) {
    cli = await evs(large, { at: daemon });
  }
  assert.equal(cli.code, 7, cli.stderr);
  assert.match(cli.stderr, /disk is full/);
  // Reads continue, and the daemon is the same process.
  const stored = await daemon.replay("full");
  assert.deepEqual(idsOf(stored, acknowledged), acknowledged);

  const control = await timeOf(() => daemon.http("GET", "/v1/health"));
  await disk.makeRoom();
  const took = await untilTaken(daemon, `"room again ${round}"`);
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
  return {
    holds: took < AGAIN_WITHIN + 20 * control,
    figures: `it took ${Math.round(took)} ms, an answer ${Math.round(control)} ms`,
  };
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`a full disk refuses in words, and publishing goes on when there is room: ${store}`, async () => {
    needTools("mkfs.ext4", "mount", "fallocate");
    await using disk = await Disk.make(24);
    await using daemon = await newDaemon({ store, dataDir: `${disk.path}/data` });
    await daemon.start();
    // Its reserve is written once it serves, and would take back what the test leaves.
    const reserve = () => Deno.stat(`${daemon.dataDir}/reserve`).then(({ size }) => size, () => 0);
    await until(async () => await reserve() >= RESERVE);
    const acknowledged: string[] = [];
    for (let round = 0; round < dose(1); round++) {
      let times = 0;
      await heldInOneOf(() =>
        fillAndMakeRoom({ daemon, disk }, `${round}.${++times}`, acknowledged)
      );
    }
    await daemon.stop();
    await daemon.start();
    const stored = await daemon.replay("full");
    stored.forEach(({ seq }, i) => assert.equal(seq, i + 1, "no number is missing or used twice"));
    assert.deepEqual(idsOf(stored, acknowledged), acknowledged, "nothing acknowledged is lost");
    assert.equal((await evs(["doctor"], { at: daemon })).code, 0);
    await daemon.stop();
  });
}

Deno.test("writes that find no room are refused, and the next ones are taken: sqlite, ENOSPC from the kernel", async () => {
  needTools("strace");
  await using daemon = await newDaemon();
  const log = `${daemon.dataDir}/events.db-wal`;
  // The numbers of the writes to the log that find no room.
  const fault = "inject=pwrite64:error=ENOSPC:when=40..70";
  const trace = ["strace", "-f", "-o", "/dev/null", "-P", log, "-e", "trace=pwrite64", "-e", fault];
  await using traced = await newDaemon({ dataDir: daemon.dataDir, wrapper: trace });
  await traced.start();
  using client = new Client({ socket: traced.socket });
  const acknowledged: number[] = [];
  let refused = 0;
  // Until it has been refused, and taken again for a while.
  for (let n = 0, since = 0; since < 20; n++) {
    assert.ok(n < 2000, "the kernel must have refused something by now");
    try {
      await client.publish("t", String(n), { query: { type: "n" } });
      acknowledged.push(n);
      if (refused > 0) since++;
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      assert.equal(error.code, "store/disk-full");
      refused++;
    }
  }
  await traced.kill();
  await daemon.start();
  const stored = await daemon.replay("t");
  assert.deepEqual(stored.map(({ payload }) => payload), acknowledged);
  stored.forEach(({ seq }, i) => assert.equal(seq, i + 1));
  await daemon.stop();
});

/** The ids of stored events that are among the expected ones, in order. */
function idsOf(stored: { id: string }[], expected: string[]): string[] {
  const known = new Set(expected);
  return stored.map(({ id }) => id).filter((id) => known.has(id));
}
