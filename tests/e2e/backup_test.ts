/** evs backup of a daemon that is being written to, and evs restore from it. */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { flipBit } from "../helpers/flip.ts";
import { modeOf } from "../helpers/start.ts";

/** Publishes and acknowledges until it is over; returns how many events were confirmed. */
async function keepBusy(daemon: TestDaemon, over: () => boolean): Promise<number> {
  using client = new Client({ socket: daemon.socket });
  let n = 0;
  while (!over()) {
    const body = Array.from({ length: 20 }, () => `${++n}\n`).join("");
    await client.call({
      method: "POST",
      path: "/v1/topics/busy/events",
      query: { type: "n" },
      body,
      contentType: "application/x-ndjson",
    });
    const { deliveries } = await client.lease("reader", { max: 20 });
    await client.ack("reader", { leases: deliveries.map(({ lease }) => lease) });
  }
  return n;
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`evs backup of a busy daemon is a consistent one, and evs restore brings it back: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    const file = `${daemon.folder}/backup.tar`;
    await daemon.publish("Orders.Placed", "placed", { total: 1 }, { total: 2 });
    await daemon.http("PUT", "/v1/topics/busy", {});
    await daemon.http("PUT", "/v1/schemas/kept", { type: "object" });
    await daemon.http("PUT", "/v1/subscriptions/reader", { topic: "busy", from: "start" });
    let over = false;
    const busy = keepBusy(daemon, () => over);
    const backup = await evs(["backup", file], { at: daemon });
    over = true;
    await busy;
    assert.equal(backup.code, 0, backup.stderr);
    const { topics, events } = JSON.parse(backup.stdout);
    assert.equal(topics, 2);
    assert.equal(modeOf(file), "600");
    const listing = await new Deno.Command("tar", { args: ["tf", file] }).output();
    assert.match(new TextDecoder().decode(listing.stdout), /^manifest\.json\nstate\.db\n/);

    await using other = await newDaemon({ store });
    const restored = await evs(["restore", file], { at: other });
    assert.equal(restored.code, 0, restored.stderr);
    assert.equal(modeOf(other.dataDir), "700");
    assert.equal((await evs(["doctor"], { at: other })).code, 0);
    await other.start();
    const orders = await other.replay("Orders.Placed");
    assert.deepEqual(orders, await daemon.replay("Orders.Placed"));
    const kept = await other.replay("busy");
    assert.equal(kept.length + orders.length, events);
    kept.forEach(({ seq, payload }, i) => assert.deepEqual([seq, payload], [i + 1, i + 1]));
    assert.equal((await other.http("GET", "/v1/schemas/kept")).status, 200);
    const { cursors } = (await other.http("GET", "/v1/subscriptions/reader")).json;
    assert.ok(cursors[0].next <= kept.length + 1, "no cursor is ahead of the events");
    await other.stop();
  });
}

Deno.test("evs restore leaves everything as it is where a daemon runs, data is there or the file is not whole", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("t", "x", "first");
  const file = `${daemon.folder}/backup.tar`;
  assert.equal((await evs(["backup", file], { at: daemon })).code, 0);
  const again = await evs(["backup", file], { at: daemon });
  assert.equal(again.code, 3);
  assert.match(again.stderr, /already exists; it was left unchanged/);
  const nowhere = await evs(["backup", `${daemon.folder}/none/backup.tar`], { at: daemon });
  assert.equal(nowhere.code, 7);
  assert.equal(
    nowhere.stderr,
    `evs: cannot write ${daemon.folder}/none/backup.tar: no such file or directory\n` +
      "  try: choose an existing folder that you can write to\n",
  );
  await daemon.publish("t", "x", "second");

  const running = await evs(["restore", file, "--force"], { at: daemon });
  assert.equal(running.code, 7);
  assert.match(running.stderr, /a daemon uses the data dir/);
  await daemon.stop();
  const taken = await evs(["restore", file], { at: daemon });
  assert.equal(taken.code, 3);
  assert.match(taken.stderr, /is not empty; it was left unchanged/);

  const bad = `${daemon.folder}/bad.tar`;
  const size = Deno.statSync(file).size;
  for (
    const spoil of [
      () => flipBit(bad, { byte: Math.floor(size / 2), bit: 3 }),
      () => flipBit(bad, { byte: 700, bit: 3 }),
      () => Deno.truncateSync(bad, size - 5000),
      () => Deno.writeTextFileSync(bad, "no archive at all".repeat(100)),
    ]
  ) {
    await Deno.copyFile(file, bad);
    spoil();
    const refused = await evs(["restore", bad, "--force"], { at: daemon });
    assert.equal(refused.code, 7, refused.stderr);
    assert.match(refused.stderr, /not a (whole )?backup/);
    assert.deepEqual(
      [...Deno.readDirSync(daemon.folder)].filter(({ name }) => name.includes("restor")),
      [],
    );
  }
  await daemon.start();
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), ["first", "second"]);
  await daemon.stop();

  const forced = await evs(["restore", file, "--force"], { at: daemon });
  assert.equal(forced.code, 0, forced.stderr);
  const { keptAt } = JSON.parse(forced.stdout);
  assert.ok(Deno.statSync(`${keptAt}/events.db`).isFile, "what was there is kept beside");
  await daemon.start();
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), ["first"]);
  await daemon.stop();
});
