/**
 * The daemon's promises also hold after it was idle and the thread that writes its state has ended.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/evs.ts";
import { writers } from "../helpers/measure.ts";
import { needTools } from "../helpers/shell.ts";
import { STORES } from "../helpers/stores.ts";

async function atRest(daemon: TestDaemon): Promise<void> {
  await until(() => writers(daemon.pid) === 1);
}

for (const store of STORES) {
  Deno.test(`acknowledgements of a daemon that was at rest outlive a kill right behind them: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    await daemon.publish("work", "job", 1, 2, 3, 4, 5);
    const before = new Client({ socket: daemon.socket });
    await before.putSubscription("worker", { topic: "work" });
    const { deliveries } = await before.lease("worker", { max: 4, leaseMs: 600_000, bind: true });
    assert.equal(deliveries.length, 4);
    assert.equal(writers(daemon.pid), 2);
    await atRest(daemon);
    // Several at once: they wait for the thread that begins.
    await Promise.all(deliveries.map(({ lease }) => before.ack("worker", { leases: [lease] })));
    await daemon.kill();
    before.close();
    await daemon.start();
    using client = new Client({ socket: daemon.socket });
    assert.equal((await client.subscription("worker")).pending, 1);
  });

  Deno.test(`a daemon at rest ends in order and leaves no log of its databases behind: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    await daemon.publish("t", "n", 1);
    await atRest(daemon);
    await daemon.stop();
    const left = [...Deno.readDirSync(daemon.dataDir)].map(({ name }) => name);
    assert.deepEqual(left.filter((name) => /-(wal|shm)$/.test(name)), []);
  });
}

Deno.test("another program that looks into the state of a daemon at rest leaves its log where it is", async () => {
  needTools("sqlite3");
  await using daemon = await startDaemon();
  await daemon.publish("t", "n", 1);
  await atRest(daemon);
  const { stdout, success } = await new Deno.Command("sqlite3", {
    args: [`${daemon.dataDir}/state.db`, "SELECT name FROM topics"],
    stderr: "inherit",
  }).output();
  assert.ok(success);
  assert.equal(new TextDecoder().decode(stdout), "t\n");
  // The last connection to a database removes its log: the daemon's own is still there.
  assert.ok((await Deno.stat(`${daemon.dataDir}/state.db-wal`)).size > 0);
  await daemon.publish("u", "n", 1);
  await daemon.kill();
  await daemon.start();
  using client = new Client({ socket: daemon.socket });
  assert.deepEqual((await client.topics()).map(({ name }) => name).sort(), ["t", "u"]);
  await daemon.stop();
});

Deno.test("a daemon that cannot end in order ends all the same, with an error, when nobody takes what it says", async () => {
  // As one that `evs daemon start` left behind: a write to its standard error fails.
  await using daemon = await startDaemon({
    wrapper: ["sh", "-c", 'exec "$@" 2>/dev/full', "sh"],
  });
  await daemon.publish("t", "n", 1);
  await atRest(daemon);
  using log = await Deno.open(`${daemon.dataDir}/log/daemon.log`);
  await Deno.remove(daemon.dataDir, { recursive: true });
  assert.equal((await daemon.kill("SIGTERM")).code, 70);
  assert.match(
    await new Response(log.readable).text(),
    /unable to open database file: .*state\.db/,
  );
});
