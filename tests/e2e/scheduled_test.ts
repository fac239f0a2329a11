/**
 * Scheduled events through the command line, HTTP and `connect()`: accepted with their due time,
 * listed, cancelled, and published once when due, by a daemon that was down as well.
 */
import assert from "node:assert/strict";
import { connect, EventRefusedError, InvalidArgumentError, NotFoundError } from "../../mod.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { STORES } from "../helpers/stores.ts";

const HOUR = 3_600_000;
const events = "/v1/topics/t/events";

async function publish(at: TestDaemon, ...args: string[]) {
  const result = await evs(["publish", "t", "x", ...args], { at });
  return { ...result, json: result.code === 0 ? JSON.parse(result.stdout) : undefined };
}

async function listed(at: TestDaemon, ...args: string[]) {
  const { code, stdout, stderr } = await evs(["scheduled", "list", ...args], { at });
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

async function payloads(at: TestDaemon, topic = "t"): Promise<unknown[]> {
  return (await at.replay(topic)).map(({ payload }) => payload);
}

Deno.test("evs publish --delay and --at say when, evs scheduled lists and cancels, and what is due is published", async () => {
  await using at = await startDaemon();
  const before = Date.now();
  const first = await publish(at, "1", "--delay", "1h", "--id", "a", "--key", "k");
  assert.equal(first.code, 0, first.stderr);
  const { dueAt } = first.json;
  assert.deepEqual(first.json, { topic: "t", id: "a", scheduled: true, dueAt });
  assert.ok(dueAt >= before + HOUR && dueAt <= Date.now() + HOUR);
  const second = await publish(at, "2", "--at", "2100-01-01T10:00:00Z");
  assert.equal(second.json.dueAt, Date.UTC(2100, 0, 1, 10));
  const local = new Date(2100, 0, 1, 9);
  assert.equal((await publish(at, "3", "--at", "2100-01-01 09:00")).json.dueAt, local.getTime());
  const again = await publish(at, "other", "--text", "--delay", "5m", "--id", "a");
  assert.deepEqual(again.json, { ...first.json, duplicate: true });
  const now = await publish(at, "4", "--id", "a");
  assert.deepEqual(now.json, { topic: "t", scheduled: true, id: "a", duplicate: true });

  const rows = await listed(at);
  assert.deepEqual(rows.map(({ id }) => id)[0], "a");
  const { acceptedAt } = rows[0];
  assert.deepEqual(rows[0], {
    topic: "t",
    id: "a",
    type: "x",
    key: "k",
    dueAt,
    delayMs: HOUR,
    acceptedAt,
  });
  assert.equal(rows.length, 3);
  assert.deepEqual(await listed(at, "--topic", "u"), []);
  assert.equal((await at.http("GET", "/v1/status")).json.scheduledEvents, 3);
  assert.match((await at.http("GET", "/metrics")).text, /^evs_events_scheduled 3$/m);

  const missing = await evs(["scheduled", "cancel", "a", "nobody", "--json"], { at });
  assert.equal(missing.code, 1);
  assert.equal(JSON.parse(missing.stderr).error.code, "scheduled/not-found");
  const cancelled = await evs(["scheduled", "cancel", "a", second.json.id], { at });
  assert.equal(cancelled.code, 0, cancelled.stderr);
  assert.deepEqual(JSON.parse(cancelled.stdout), { count: 2 });
  assert.equal((await listed(at)).length, 1);

  await publish(at, "5", "--delay", "10ms", "--id", "soon");
  await until(async () => (await payloads(at)).length > 0);
  assert.deepEqual(await payloads(at), [5]);
});

Deno.test("evs publish --at publishes at once and says so when the time has passed", async () => {
  await using at = await startDaemon();
  const { code, json, stderr } = await publish(at, "1", "--at", "2001-01-01", "--id", "a");
  assert.equal(code, 0, stderr);
  assert.deepEqual(json, { topic: "t", seq: 1, id: "a", past: true });
  assert.deepEqual(await listed(at), []);
});

Deno.test("evs publish refuses a delay or time that it cannot keep, with what to type instead", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/schemas/checked", { type: "object" });
  const cases: [args: string[], code: number, says: RegExp][] = [
    [["--delay", "soon", "1"], 2, /--delay is a number with a unit/],
    [["--at", "tomorrow", "1"], 2, /--at is a time, such as .*, not "tomorrow"/],
    [["--at", "2031-02-30", "1"], 2, /--at is a time, .*, not "2031-02-30"/],
    [["--delay", "1h", "--at", "2031-01-01", "1"], 2, /exclude each other/],
    [["--delay", "1h", "--expect", "none", "1"], 2, /--expect does not go with --delay/],
    [["--delay", "1h", "--ndjson"], 2, /--delay goes with one event/],
    [["--at", "2031-01-01", "--lines"], 2, /--at goes with one event/],
    [["--delay", "1h", "{"], 4, /nothing was stored/],
    [["--delay", "9999w", "1"], 2, /--delay is at most 3650d/],
  ];
  for (const [args, code, says] of cases) {
    const result = await publish(at, ...args);
    assert.deepEqual([result.code, result.stdout], [code, ""], args.join(" ") + result.stderr);
    assert.match(result.stderr, says);
  }
  const wrong = await evs(["publish", "t", "checked", "1", "--delay", "1h"], { at });
  assert.equal(wrong.code, 4, "the schema is checked now");
  assert.deepEqual(await listed(at), []);
});

Deno.test("POST …/events takes a schedule in the query or in the envelope of one event", async () => {
  await using at = await startDaemon();
  const query = await at.http("POST", `${events}?type=x&id=q&delayMs=3600000`, "9007199254740993");
  assert.equal(query.status, 200, query.text);
  assert.deepEqual(query.json, {
    count: 0,
    duplicates: 0,
    firstSeq: 0,
    lastSeq: 0,
    durable: true,
    lines: 1,
    events: [{ seq: 0, id: "q", schemaVersion: "1.0" }],
    refused: [],
    scheduled: { id: "q", dueAt: query.json.scheduled.dueAt },
  });
  for (
    const schedule of [{ delayMs: HOUR }, { at: Date.now() + HOUR }, { at: "2100-01-01T00:00Z" }]
  ) {
    const answer = await at.http("POST", events, { type: "x", payload: 1, schedule });
    assert.ok(answer.json.scheduled.dueAt >= Date.now() + HOUR - 60_000, answer.text);
  }
  const past = await at.http("POST", `${events}?type=x&at=2001-01-01T00:00:00Z`, "1");
  assert.deepEqual([past.json.count, past.json.firstSeq, past.json.past], [1, 1, true]);

  const refused: [query: string, body: unknown, status: number][] = [
    ["?type=x&delayMs=1&at=2100-01-01T00:00:00Z", 1, 400],
    ["?type=x&at=2100-01-01T00:00:00", 1, 400],
    ["?type=x&delayMs=-1", 1, 400],
    ["?type=x&delayMs=1&expected=none", 1, 400],
    ["?expected=none", { type: "x", payload: 1, schedule: { delayMs: 5 } }, 400],
    ["?delayMs=5", [{ type: "x", payload: 1 }], 400],
    ["", [{ type: "x", payload: 1, schedule: { delayMs: 5 } }], 422],
    ["", { type: "x", payload: 1, schedule: { delayMs: "5" } }, 422],
    ["", { type: "x", payload: 1, schedule: 5 }, 422],
  ];
  for (const [search, body, status] of refused) {
    const answer = await at.http("POST", events + search, body);
    assert.equal(answer.status, status, `${search} ${answer.text}`);
  }
  const lines = { "content-type": "application/x-ndjson" };
  const line = '{"type":"x","payload":1,"schedule":{"delayMs":5}}\n';
  assert.equal((await at.http("POST", `${events}?type=x&delayMs=5`, "1\n", lines)).status, 400);
  assert.match((await at.http("POST", events, line, lines)).text, /schedule goes with one event/);
  assert.equal((await at.http("GET", "/v1/scheduled")).json.total, 4);
  assert.equal((await payloads(at)).length, 1);
});

Deno.test("connect() schedules, lists and cancels like a broker of this process", async () => {
  await using at = await startDaemon();
  await using broker = await connect({ socket: at.socket });
  const due = Date.now() + HOUR;
  const event = await broker.publish("t", "x", { n: 1 }, {
    id: "a",
    source: "test",
    schedule: { delayMs: HOUR },
  });
  assert.deepEqual([event.seq, event.id, event.schemaVersion], [undefined, "a", "1.0"]);
  assert.ok(Math.abs(event.timestamp - due) < HOUR / 2, "when it is published");
  const at2100 = new Date("2100-01-01T00:00:00Z");
  await broker.publish("t", "x", 2, { id: "b", schedule: { at: at2100 } });
  const { scheduled, total } = await broker.scheduledEvents();
  assert.deepEqual([scheduled.map(({ id }) => id), total], [["a", "b"], 2]);
  assert.equal(scheduled[1]!.dueAt, at2100.getTime());
  await assert.rejects(broker.cancelScheduled({ ids: ["nobody"] }), NotFoundError);
  assert.deepEqual(await broker.cancelScheduled({ ids: ["a", "b"] }), { count: 2 });
  await assert.rejects(
    broker.publish("t", "x", 1, { schedule: { delayMs: 1 }, expected: "none" }),
    InvalidArgumentError,
  );
  await broker.registerSchema("checked", { type: "object" });
  await assert.rejects(
    broker.publish("t", "checked", 1, { schedule: { delayMs: 1 } }),
    EventRefusedError,
  );
  const begun = Date.now();
  const soon = await broker.publish("t", "x", 3, { schedule: { delayMs: 20 } });
  await until(async () => await at.countOf("t") > 0);
  const [stored] = await at.replay("t");
  assert.deepEqual([stored.id, stored.payload, stored.metadata], [soon.id, 3, {}]);
  assert.ok(stored.timestamp >= begun, "the time of publishing");
  assert.equal((await broker.publish("t", "x", 4, { schedule: { at: 5 } })).seq, 2);
});

/**
 * Schedules the payloads, the first to be published last; returns where their topic's events are,
 * and when all of them are due. A machine that stands still may not be done by then: in that case
 * it is done again, with more time.
 */
async function scheduleSoon(
  at: TestDaemon,
  payloads: readonly string[],
): Promise<{ path: string; due: number }> {
  for (let ms = 1500;; ms *= 2) {
    const path = `/v1/topics/in-${ms}/events`;
    const due = Date.now() + ms;
    let inTime = true;
    for (const [i, payload] of payloads.entries()) {
      const query = `?type=x&id=id-${i}&at=${new Date(due - i).toISOString()}`;
      const { json, text, status } = await at.http("POST", path + query, payload);
      assert.equal(status, 200, text);
      inTime &&= json.count === 0;
    }
    if (inTime) return { path, due };
  }
}

for (const store of STORES) {
  Deno.test(`a daemon keeps scheduled events over restarts and publishes those that were due meanwhile at its start, in order: ${store}`, async () => {
    await using at = await startDaemon({ store });
    const given = ["9007199254740993", '{"a":1.0,"a":2}', '"\\u0000"'];
    const { path, due } = await scheduleSoon(at, given);
    await at.http("POST", `${path}?type=x&delayMs=${HOUR}`, "1");
    await at.stop();
    await at.start();
    assert.ok((await at.http("GET", "/v1/scheduled")).json.total >= 1);
    await at.kill();
    await until(() => Date.now() > due);
    await at.start();
    await until(async () => (await at.http("GET", "/v1/scheduled")).json.total === 1);
    const text = (await at.http("GET", path)).text;
    const lines = text.split("\n").filter(Boolean);
    assert.deepEqual(lines.map((line) => /"payload":(.*)}$/.exec(line)![1]), given.toReversed());
    assert.deepEqual(lines.map((line) => JSON.parse(line).id), ["id-2", "id-1", "id-0"]);
    const repeat = await at.http("POST", `${path}?type=x&id=id-0`, "0");
    assert.equal(repeat.json.duplicates, 1, "its id is remembered");
    await at.stop();
    assert.equal((await evs(["doctor"], { at })).code, 0);
  });

  Deno.test(`evs backup and restore keep scheduled events: ${store}`, async () => {
    await using at = await startDaemon({ store });
    const file = `${at.folder}/backup.tar`;
    await publish(at, "1", "--delay", "1h", "--id", "a");
    await publish(at, "2", "--delay", "2s", "--id", "b");
    const backup = await evs(["backup", file], { at });
    assert.equal(backup.code, 0, backup.stderr);
    await using other = await newDaemon({ store });
    assert.equal((await evs(["restore", file], { at: other })).code, 0);
    await other.start();
    await until(async () => (await payloads(other)).length > 0);
    assert.deepEqual(await payloads(other), [2]);
    const rows = await listed(other);
    assert.deepEqual(rows.map(({ id }) => id), ["a"]);
    assert.deepEqual(rows[0].dueAt, (await listed(at))[0].dueAt);
  });
}
