/**
 * Events with a time to live through the command line, HTTP and `connect()`, in every store: given
 * to publish in each of its forms, not delivered once it is over, counted everywhere, still there
 * for readers, and kept by a restart, an export and a copy.
 */
import assert from "node:assert/strict";
import { connect, type Event, InvalidArgumentError } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { STORES } from "../helpers/stores.ts";

const HOUR = 3_600_000;
const LONGEST = 100 * 365 * 24 * HOUR;
const path = "/v1/topics/t/events";

async function run(at: TestDaemon, args: string[], stdin?: string) {
  const result = await evs(args, { at, ...(stdin === undefined ? {} : { stdin }) });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Asserts that the event was published within this call and lives for `ttlMs`. */
function assertLives(event: Pick<Event, "expiresAt">, ttlMs: number, since: number): void {
  const { expiresAt } = event;
  assert.ok(expiresAt !== undefined, "it expires");
  assert.ok(expiresAt >= since + ttlMs && expiresAt <= Date.now() + ttlMs, String(expiresAt));
}

async function info(at: TestDaemon, name = "s") {
  return (await at.http("GET", `/v1/subscriptions/${name}`)).json;
}

/** The ids that can be leased; they are acknowledged. */
async function taken(at: TestDaemon, name = "s"): Promise<string[]> {
  const subscription = `/v1/subscriptions/${name}`;
  const { deliveries } = (await at.http("POST", `${subscription}/lease`, { max: 1000 })).json;
  const leases = deliveries.map(({ lease }: { lease: string }) => lease);
  await at.http("POST", `${subscription}/ack`, { leases });
  return deliveries.map(({ event }: { event: Event }) => event.id);
}

Deno.test("evs publish --spool --ttl counts the time that an event was in the spool", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  await at.stop();
  const since = Date.now();
  for (const [id, ttl] of [["gone", "1ms"], ["there", "1h"]] as const) {
    await run(at, ["publish", "t", "x", "1", "--id", id, "--ttl", ttl, "--spool"]);
  }
  const spooled = Date.now();
  await at.start();
  await until(async () => await at.countOf("t") === 2);
  const [, there] = await at.replay("t");
  // Not from when it was taken in: by then a daemon had started.
  assert.ok(there!.expiresAt! >= since + HOUR && there!.expiresAt! <= spooled + HOUR);
  assert.deepEqual(await taken(at), ["there"]);
  assert.deepEqual((await info(at)).expired, [{ topic: "t", count: 1 }]);
});

for (const store of [...STORES, "memory"] as const) {
  Deno.test(`consume skips and counts what has expired, and readers still see it (${store})`, async () => {
    await using at = await startDaemon(store === "memory" ? {} : { store });
    if (store === "memory") await run(at, ["topic", "create", "t", "--store", "memory"]);
    await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
    const since = Date.now();
    const [short] = await run(at, ["publish", "t", "x", "1", "--ttl", "1ms", "--id", "a"]);
    const [long] = await run(at, [
      "publish",
      "t",
      "x",
      "2",
      "--ttl",
      "1h",
      "--id",
      "b",
      "--key",
      "k",
    ]);
    assertLives(short, 1, since);
    assertLives(long, HOUR, since);
    await run(at, ["publish", "t", "x", "3", "--id", "c"]);
    await until(() => Date.now() > short.expiresAt);
    const { code, stdout, stderr } = await evs(
      ["consume", "t", "--name", "s", "--until-empty", "--stdin", "event", "--", "cat"],
      { at },
    );
    assert.equal(code, 0, stderr);
    const handled = stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    assert.deepEqual(handled.map(({ id, expiresAt }) => [id, expiresAt]), [
      ["b", long.expiresAt],
      ["c", undefined],
    ]);
    const { expired, pending, dead, cursors } = await info(at);
    assert.deepEqual(expired, [{ topic: "t", count: 1 }]);
    assert.deepEqual([pending, dead, cursors[0].next], [0, 0, 4]);
    assert.equal((await at.http("GET", "/v1/topics/t")).json.expired, 1);
    assert.equal((await at.http("GET", "/v1/status")).json.expiredEvents, 1);
    assert.match((await at.http("GET", "/metrics")).text, /^evs_events_expired_total 1$/m);
    const read = await at.replay("t");
    assert.deepEqual(read.map((event: Event) => [event.id, event.expiresAt]), [
      ["a", short.expiresAt],
      ["b", long.expiresAt],
      ["c", undefined],
    ]);
    const filtered = await run(at, [
      "replay",
      "t",
      "--where",
      `event.expiresAt > ${short.expiresAt}`,
    ]);
    assert.deepEqual(filtered.map(({ id }) => id), ["b"]);
  });
}

for (const store of STORES) {
  Deno.test(`an event expires while its daemon is down, and the counts survive (${store})`, async () => {
    await using at = await startDaemon({ store });
    for (const name of ["s", "other"]) {
      await at.http("PUT", `/v1/subscriptions/${name}`, { topic: "t" });
    }
    const [gone] = await run(at, ["publish", "t", "x", "1", "--ttl", "1s", "--id", "a"]);
    await run(at, ["publish", "t", "x", "2", "--ttl", "1h", "--id", "b"]);
    await at.kill();
    await until(() => Date.now() > gone.expiresAt);
    await at.start();
    assert.deepEqual(await taken(at), ["b"]);
    await at.kill();
    await at.start();
    assert.deepEqual((await info(at)).expired, [{ topic: "t", count: 1 }]);
    assert.deepEqual((await info(at, "other")).expired, []);
    assert.deepEqual(await taken(at, "other"), ["b"]);
    assert.equal((await at.http("GET", "/v1/topics/t")).json.expired, 2, "of both");
  });
}

Deno.test("POST …/events takes ttlMs in the query, in envelopes, and with a schedule", async () => {
  await using at = await startDaemon();
  const since = Date.now();
  const json = { "content-type": "application/json" };
  const lines = { "content-type": "application/x-ndjson" };
  const reply = await at.http("POST", `${path}?type=x&ttlMs=5000`, "1", json);
  assertLives(reply.json.events[0], 5000, since);
  const packed = await at.http("POST", `${path}?type=x&ttlMs=6000`, "2\n3\n", lines);
  for (const event of packed.json.events) assertLives(event, 6000, since);
  const mixed = await at.http(
    "POST",
    `${path}?ttlMs=7000`,
    '{"type":"x","payload":4,"ttlMs":8000}\n{"type":"x","payload":5}\n{"type":"x","payload":6,"expiresAt":12}\n',
    lines,
  );
  const [own, common, past] = mixed.json.events;
  assertLives(own, 8000, since);
  assertLives(common, 7000, since);
  assert.equal(past.expiresAt, 12);
  const array = await at.http("POST", path, [
    { type: "x", payload: 7, ttlMs: 9000 },
    { type: "x", payload: 8 },
  ]);
  assertLives(array.json.events[0], 9000, since);
  assert.ok(!("expiresAt" in array.json.events[1]));
  const group = await at.http("POST", "/v1/events", [
    { topic: "t", type: "x", payload: 9, ttlMs: 10_000, expected: "exists" },
    { topic: "u", type: "x", payload: 10 },
  ]);
  assertLives(group.json.events[0], 10_000, since);
  const later = await at.http("POST", path, {
    type: "x",
    payload: 11,
    id: "later",
    ttlMs: 5000,
    schedule: { delayMs: 1 },
  });
  assert.ok(!("expiresAt" in later.json.events[0]), "not before it is due");
  await until(async () => await at.countOf("t") === 10);
  const read = await at.replay("t");
  for (const [i, { payload, ...event }] of read.entries()) {
    const ttlMs = [5000, 6000, 6000, 8000, 7000, undefined, 9000, undefined, 10_000, 5000][i];
    assert.equal(payload, i + 1 + (i > 8 ? 1 : 0));
    if (ttlMs !== undefined) assertLives(event, ttlMs, since);
  }
  assert.ok(!("ttlMs" in read[9]!));
});

Deno.test("POST …/events refuses a time to live that is none, with what was kept", async () => {
  await using at = await startDaemon();
  for (const wrong of ["0", "-1", "1.5", "x", String(LONGEST + 1)]) {
    const { status, json } = await at.http("POST", `${path}?type=x&ttlMs=${wrong}`, "1");
    assert.deepEqual([status, json.error.details.parameter], [400, "ttlMs"], wrong);
  }
  const lines = { "content-type": "application/x-ndjson" };
  for (const wrong of ["0", "-1", "1.5", '"1h"', "null", String(LONGEST + 1)]) {
    const body = `{"type":"x","payload":1}\n{"type":"x","payload":2,"ttlMs":${wrong}}\n`;
    const { json } = await at.http("POST", path, body, lines);
    assert.equal(json.count, 1);
    assert.equal(json.error.code, "event/invalid-envelope");
    assert.match(json.error.message, /^line 2: ttlMs is a whole number of milliseconds from 1/);
  }
  for (const wrong of ['"2030"', "-1", "1.5", "8640000000000001"]) {
    const { json } = await at.http("POST", path, `{"type":"x","payload":1,"expiresAt":${wrong}}`);
    assert.match(json.error.message, /expiresAt is not a whole number/);
  }
  const both = await at.http("POST", path, { type: "x", payload: 1, expiresAt: 5, ttlMs: 5 });
  assert.match(both.json.error.message, /ttlMs and expiresAt exclude each other/);
  for (const wrong of ["0", "1", "never", "36501d"]) {
    const { code, stdout, stderr } = await evs(["publish", "t", "x", "1", "--ttl", wrong], { at });
    assert.deepEqual([code, stdout], [2, ""], wrong);
    assert.match(stderr, /--ttl is /);
  }
});

Deno.test("evs publish takes --ttl with text, lines, envelopes, CloudEvents and a delay", async () => {
  await using at = await startDaemon();
  const since = Date.now();
  await run(at, ["publish", "t", "x", "text", "--text", "--ttl", "1h"]);
  await run(at, ["publish", "t", "x", "--lines", "--ttl", "1h"], "a\nb\n");
  await run(
    at,
    ["publish", "t", "x", "--ndjson", "--key-pointer", "/k", "--ttl", "1h"],
    '{"k":"1"}\n',
  );
  await run(at, ["publish", "t", "--envelope", "--ttl", "1h"], '{"type":"x","payload":1}\n');
  const cloud = { specversion: "1.0", id: "c", source: "/s", type: "x", data: 1 };
  await run(at, ["publish", "t", "--cloudevents", "--ttl", "1h"], JSON.stringify(cloud));
  await run(at, ["publish", "t", "x", "--ndjson", "--id-prefix", "p", "--ttl", "1h"], "1\n");
  await run(at, ["publish", "t", "x", "9", "--delay", "1ms", "--ttl", "1h"]);
  await until(async () => await at.countOf("t") === 8);
  for (const event of await at.replay("t")) assertLives(event as Event, HOUR, since);
});

Deno.test("an event keeps its end when it is copied, exported and imported", async () => {
  await using at = await startDaemon();
  const [{ expiresAt }] = await run(at, ["publish", "t", "x", "1", "--ttl", "1ms", "--id", "a"]);
  await until(() => Date.now() > expiresAt);
  await run(at, ["replay", "t", "--into", "copy"]);
  const { stdout: exported } = await evs(["export", "t"], { at });
  await using other = await startDaemon();
  const imported = await evs(["import"], { at: other, stdin: exported });
  assert.equal(imported.code, 0, imported.stderr);
  for (const [daemon, topic] of [[at, "copy"], [other, "t"]] as const) {
    const [event] = await daemon.replay(topic);
    assert.equal((event as Event).expiresAt, expiresAt, topic);
    await daemon.http("PUT", "/v1/subscriptions/new", { topic });
    assert.deepEqual(await taken(daemon, "new"), []);
    assert.deepEqual((await info(daemon, "new")).expired, [{ topic, count: 1 }]);
  }
});

Deno.test("a dead letter that is retried is delivered after its time to live", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  const { lease, expiresAt, id } = await leasedInTime(at);
  const before = (await info(at)).expired;
  await at.http("POST", "/v1/subscriptions/s/nack", {
    deliveries: [{ lease, error: "no", dead: true }],
  });
  await until(() => Date.now() > expiresAt);
  const { stdout: exported } = await evs(["dlq", "export"], { at });
  assert.ok(!("expiresAt" in JSON.parse(exported).event));
  await run(at, ["dlq", "retry", id]);
  assert.deepEqual(await taken(at), [id]);
  const { expired, dead } = await info(at);
  assert.deepEqual([expired, dead], [before, 0]);
});

/**
 * Leases an event of the subscription `s` that soon expires. Where the machine stands still for
 * longer than it lives, one that lives longer is published.
 */
async function leasedInTime(
  at: TestDaemon,
): Promise<{ lease: string; expiresAt: number; id: string }> {
  for (let ttlMs = 1000;; ttlMs *= 2) {
    const published = await at.http("POST", `${path}?type=x&id=ttl-${ttlMs}&ttlMs=${ttlMs}`, "1");
    const { id, expiresAt } = published.json.events[0];
    const { deliveries: [delivery] } =
      (await at.http("POST", "/v1/subscriptions/s/lease", {})).json;
    if (delivery) return { lease: delivery.lease, expiresAt, id };
  }
}

Deno.test("connect() publishes with a time to live, alone and in groups, as a broker in memory does", async () => {
  await using at = await startDaemon();
  await using broker = await connect({ socket: at.socket });
  const since = Date.now();
  const one = await broker.publish("t", "x", 1, { ttlMs: 1000 });
  const batch = await broker.publishBatch("t", [{ type: "x", payload: 2, ttlMs: 1000 }], {
    expected: 1,
  });
  const group = await broker.publishAll([{ topic: "t", type: "x", payload: 3, ttlMs: 1000 }]);
  const past = await broker.publish("t", "x", 4, { ttlMs: 1000, schedule: { at: 0 } });
  const all = [one, ...batch, ...group, past];
  for (const event of all) assertLives(event, 1000, since);
  const told = ({ id, seq, expiresAt }: Event) => ({ id, seq, expiresAt });
  assert.deepEqual((await at.replay("t") as Event[]).map(told), all.map(told));
  await assert.rejects(broker.publish("t", "x", 1, { ttlMs: 0 }), InvalidArgumentError);
  assert.equal((await at.replay("t")).length, 4);
});
