/**
 * evs doctor with a running and a stopped daemon: what is wrong, how much is intact, what to type.
 */
import assert from "node:assert/strict";
import type { Diagnosis } from "../../core/doctor/checks/diagnosis.ts";
import { flipBit } from "../helpers/flip.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

async function doctor(daemon: TestDaemon, ...args: string[]) {
  const result = await evs(["doctor", ...args], { at: daemon });
  const found: Diagnosis[] = result.stdout.split("\n").filter(Boolean).map((line) =>
    JSON.parse(line)
  );
  return { code: result.code, stderr: result.stderr, found };
}

/** Flips a bit in the payload of an event of a stopped daemon. */
function damagePayload(path: string, text: string): void {
  const bytes = Deno.readFileSync(path);
  const wanted = new TextEncoder().encode(text);
  const at = bytes.findIndex((_, i) => wanted.every((byte, k) => bytes[i + k] === byte));
  assert.ok(at > 0, `${text} is in ${path}`);
  flipBit(path, { byte: at + wanted.length - 2, bit: 0 });
}

function levels(found: Diagnosis[]): string[] {
  return found.map(({ where, level }) => `${where} ${level}`);
}

Deno.test("evs doctor names a damaged event, running and stopped, until it is accepted", async () => {
  await using daemon = await startDaemon();
  const payloads = Array.from({ length: 2000 }, (_, i) => ({ n: i + 1000 }));
  await daemon.publish("orders", "placed", ...payloads);
  const well = await doctor(daemon);
  assert.equal(well.code, 0);
  assert.deepEqual(levels(well.found), ["daemon ok", "events.db ok", "state.db ok"]);
  assert.match(well.found[1]!.what, /^1 topic, 2,000 events, all intact$/);
  await daemon.stop();

  damagePayload(`${daemon.dataDir}/events.db`, '{"n":1776}');
  const stopped = await doctor(daemon);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /1 thing is damaged/);
  const [damage] = stopped.found;
  assert.match(
    damage!.what,
    /^topic orders, event 777: its checksum does not match; not delivered$/,
  );
  assert.match(damage!.hint!, /evs restore/);
  assert.match(stopped.found[1]!.what, /2,000 events, 1 of them lost/);

  await daemon.start();
  const served = await daemon.replay("orders");
  assert.equal(served.length, 1999);
  assert.ok(served.every(({ seq, payload }) => payload.n === seq + 999 && seq !== 777));
  const status = (await daemon.http("GET", "/v1/status")).json;
  assert.equal(status.health, "degraded");
  assert.match(status.problems.join(), /topic orders, event 777/);
  assert.equal((await doctor(daemon)).code, 1);
  const accepted = await doctor(daemon, "--accept");
  assert.deepEqual(accepted.found, [{ accepted: 1 } as unknown as Diagnosis]);
  assert.equal((await doctor(daemon)).code, 0);
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);

  // It stays so after a restart, and the event is still not delivered.
  await daemon.stop();
  assert.equal((await doctor(daemon)).code, 0);
  await daemon.start();
  assert.equal((await daemon.replay("orders")).length, 1999);
  assert.equal((await daemon.http("GET", "/v1/topics/orders/events/777")).status, 404);
});

Deno.test("evs doctor names a damaged event of the file store, running and stopped, until it is accepted", async () => {
  await using daemon = await startDaemon({ store: "file" });
  await daemon.publish(
    "orders",
    "placed",
    ...Array.from({ length: 500 }, (_, n) => ({ n: n + 1000 })),
  );
  const well = await doctor(daemon);
  assert.equal(well.code, 0);
  assert.match(
    well.found.find(({ check }) => check === "file-store")!.what,
    /500 events, all intact/,
  );
  await daemon.stop();
  const folder = `${daemon.dataDir}/events/orders`;
  const [segment] = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".ndjson"));
  damagePayload(`${folder}/${segment!.name}`, '{"n":1100}');
  for (const state of ["stopped", "running"]) {
    if (state === "running") await daemon.start();
    const { code, found } = await doctor(daemon);
    assert.equal(code, 1, state);
    const damage = found.find(({ check, level }) => check === "file-store" && level === "damage");
    assert.match(damage!.what, /topic orders, .*not delivered/);
    assert.match(damage!.hint!, /evs restore/);
  }
  const served = await daemon.replay("orders");
  assert.equal((await daemon.http("GET", "/v1/health")).status, 503);
  assert.equal((await doctor(daemon, "--accept")).code, 0);
  assert.equal((await doctor(daemon)).code, 0);

  // It stays so after a restart, and the events are still not delivered.
  await daemon.stop();
  assert.equal((await doctor(daemon)).code, 0);
  await daemon.start();
  assert.deepEqual(await daemon.replay("orders"), served);
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
  await daemon.stop();
});

Deno.test("evs doctor names a damaged log of a killed daemon, and the start repairs it and keeps a copy", async () => {
  await using daemon = await startDaemon();
  for (let n = 0; n < 20; n++) await daemon.publish("t", "x", n);
  await daemon.kill("SIGKILL");
  assert.equal((await doctor(daemon)).code, 0, "a killed daemon leaves nothing wrong");
  const log = `${daemon.dataDir}/events.db-wal`;
  flipBit(log, { byte: 32 + 3 * (16384 + 24) + 5000, bit: 1 });
  const found = await doctor(daemon);
  assert.equal(found.code, 1);
  assert.equal(found.found[0]!.where, "events.db-wal");
  assert.match(found.found[0]!.what, /SQLite would have dropped \d+ of \d+ frames/);

  await daemon.start();
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), [...Array(20).keys()]);
  assert.match(
    (await daemon.http("GET", "/v1/status")).json.problems.join(),
    /events\.db-wal: flipped bits/,
  );
  const repaired = await doctor(daemon);
  assert.equal(repaired.code, 1, "until somebody takes note");
  assert.ok(
    repaired.found.some(({ check, level }) => check === "quarantine" && level === "damage"),
  );
  assert.equal((await doctor(daemon, "--accept")).code, 0);
  assert.equal((await doctor(daemon)).code, 0);
  await daemon.stop();
});

Deno.test("a lost state database is made again from the events as far as it can be, in words", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "placed", 1, 2, 3);
  await daemon.publish("users", "made", 1);
  await daemon.stop();
  for (const { name } of Deno.readDirSync(daemon.dataDir)) {
    if (name.startsWith("state.db")) await Deno.remove(`${daemon.dataDir}/${name}`);
  }
  const found = await doctor(daemon);
  assert.equal(found.code, 1);
  assert.match(found.found.map(({ what }) => what).join(), /it is gone: topics come back/);
  await daemon.start();
  const { topics } = (await daemon.http("GET", "/v1/topics")).json;
  assert.deepEqual(topics.map(({ name }: { name: string }) => name), ["orders", "users"]);
  const { problems } = (await daemon.http("GET", "/v1/status")).json;
  assert.match(problems.join(), /2 topics were made again .* subscriptions, .* are lost/);
  assert.equal((await daemon.publish("orders", "placed", 4)).firstSeq, 4);
  await daemon.stop();
});

Deno.test("evs doctor says where there is no data dir", async () => {
  await using daemon = await newDaemon();
  const { code, stderr } = await doctor(daemon);
  assert.equal(code, 1);
  assert.match(stderr, /there is no data dir/);
});
