/**
 * A missing segment of the file store from an operator's point of view: status, health, doctor,
 * backup, replay, a subscription.
 */
import assert from "node:assert/strict";
import { FileEventStore } from "../../core/store/file/file_event_store.ts";
import { newEvent } from "../core/store/conformance.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

const EVENTS = 330;

/**
 * A data dir with three full segments and an open one: small ones, as a store of the library makes
 * them.
 */
async function filled(daemon: TestDaemon): Promise<void> {
  await daemon.publish("t", "x", 0);
  await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  await daemon.stop();
  const store = new FileEventStore(`${daemon.dataDir}/events`, { segments: { maxBytes: 15_000 } });
  for (let n = 1; n < EVENTS; n++) await store.append([{ topic: "t", events: [newEvent()] }]);
  await store.close();
}

async function seqsOf(daemon: TestDaemon): Promise<number[]> {
  return (await daemon.replay("t")).map(({ seq }) => seq);
}

Deno.test("a segment that is gone is named by status, health, doctor and log, and the rest is served and counted", async () => {
  await using daemon = await startDaemon({ store: "file" });
  await filled(daemon);
  const folder = `${daemon.dataDir}/events/t`;
  const firsts = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ndjson")).sort().map((name) => parseInt(name));
  assert.equal(firsts.length, 4);
  const [, from = 0, next = 0] = firsts;
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (name.startsWith(String(from).padStart(16, "0"))) Deno.removeSync(`${folder}/${name}`);
  }
  const left = EVENTS - (next - from);
  const named = new RegExp(`topic t, events ${from} to ${next - 1}: gone`);

  for (const state of ["stopped", "running"]) {
    if (state === "running") await daemon.start();
    const doctor = await evs(["doctor"], { at: daemon });
    assert.equal(doctor.code, 1, state);
    assert.match(doctor.stdout, named, state);
    assert.doesNotMatch(doctor.stdout, /all intact/, state);
    const backup = await evs(["backup", `${daemon.folder}/${state}.tar`, "--json"], { at: daemon });
    assert.equal(JSON.parse(backup.stdout).events, left, state);
  }
  const status = (await daemon.http("GET", "/v1/status")).json;
  assert.equal(status.health, "degraded");
  assert.match(status.problems.join("\n"), named);
  assert.equal((await daemon.http("GET", "/v1/health")).status, 503);
  assert.match(Deno.readTextFileSync(`${daemon.dataDir}/log/daemon.log`), /gone: no file has them/);

  const served = await seqsOf(daemon);
  assert.equal(served.length, left);
  assert.deepEqual([served[0], served.at(-1)], [1, EVENTS]);

  // A subscription reports how many it misses.
  let taken = 0;
  while (taken < left) {
    const { json } = await daemon.http("POST", "/v1/subscriptions/s/lease", { max: 10 });
    const leases = json.deliveries.map(({ lease }: { lease: string }) => lease);
    assert.ok(leases.length > 0, `${taken} of ${left} came`);
    await daemon.http("POST", "/v1/subscriptions/s/ack", { leases });
    taken += leases.length;
  }
  const { json } = await daemon.http("GET", "/v1/subscriptions/s");
  assert.deepEqual(json.missed, [{ topic: "t", from, to: next - 1, count: next - from }]);

  assert.equal((await evs(["doctor", "--accept"], { at: daemon })).code, 0);
  await daemon.stop();
  await daemon.start();
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
  await daemon.stop();
});
