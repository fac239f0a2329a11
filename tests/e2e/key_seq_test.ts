/**
 * The version of a key (`keySeq`) through the command line, HTTP, the library and `connect()`, in
 * every store: in replies and wherever events are read, as expectation, and kept by retention,
 * kills, a backup and a copy.
 */
import assert from "node:assert/strict";
import { ConflictError, connect, type Event, EventBroker, UnsupportedError } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs, until } from "../helpers/evs.ts";
import { STORES } from "../helpers/stores.ts";
import { ThreeMethods } from "../helpers/three_methods.ts";

const path = "/v1/topics/t/events";

async function run(at: TestDaemon, args: string[], stdin?: string) {
  const result = await evs(args, { at, ...(stdin === undefined ? {} : { stdin }) });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Publishes an event of the key k with the command line. */
async function publish(at: TestDaemon, ...args: string[]) {
  const [receipt] = await run(at, ["publish", "t", "x", "{}", "--key", "k", ...args]);
  return receipt.keySeq;
}

const numbers = (events: { key?: string; keySeq?: number }[]) =>
  events.map(({ key, keySeq }) => key === undefined ? keySeq : `${key}${keySeq}`);

for (const store of [...STORES, "memory"] as const) {
  Deno.test(`publish --expect-key-seq stores an event only on top of the N-th of its key (${store})`, async () => {
    await using at = await startDaemon(store === "memory" ? {} : { store });
    if (store === "memory") await run(at, ["topic", "create", "t", "--store", "memory"]);
    assert.equal(await publish(at, "--expect-key-seq", "0"), 1);
    assert.equal(await publish(at, "--expect-key-seq", "1", "--id", "second"), 2);
    assert.equal(await publish(at, "--expect-key-seq", "1", "--id", "second"), 2, "a repeat");
    const late = await evs(
      ["publish", "t", "x", "{}", "--key", "k", "--expect-key-seq", "1"],
      { at },
    );
    assert.equal(late.code, 3);
    assert.match(
      late.stderr,
      /expected keySeq 1, but the key's last keySeq is 2; nothing was stor/,
    );
    await run(at, ["publish", "t", "x", "{}"]);
    await run(
      at,
      ["publish", "t", "x", "--ndjson", "--key-pointer", "/k"],
      '{"k":"k"}\n{"k":"l"}\n',
    );
    const expected = ["k1", "k2", undefined, "k3", "l1"];
    assert.deepEqual(numbers(await at.replay("t")), expected);
    assert.deepEqual(numbers(await run(at, ["tail", "t", "--no-follow"])), expected);
    const handled = await run(at, [
      ...["consume", "t", "--name", "s", "--until-empty", "--stdin", "event", "--", "cat"],
    ]);
    assert.deepEqual(numbers(handled).sort(), expected.sort());
  });
}

for (const store of STORES) {
  Deno.test(`a keySeq goes on after retention, a kill, a backup and a copy (${store})`, async () => {
    await using at = await startDaemon({ store });
    await run(at, ["topic", "create", "t", "--max-events", "1"]);
    for (let n = 1; n <= 5; n++) assert.equal(await publish(at), n);
    await run(at, ["publish", "t", "x", "{}", "--key", "other"]);
    await until(async () => (await at.replay("t")).every(({ key }) => key === "other"));
    for (let n = 0; n < dose(2); n++) {
      await at.kill();
      await at.start();
      assert.equal(await publish(at), 6 + n);
    }
    const last = 5 + dose(2);
    const file = `${at.folder}/keys.tar`;
    await run(at, ["backup", file]);
    await at.stop();
    const dataDir = `${at.folder}/copy`;
    const { code, stderr } = await evs(["restore", file, "--data-dir", dataDir]);
    assert.equal(code, 0, stderr);
    await using restored = await startDaemon({ store, dataDir });
    assert.equal(await publish(restored, "--expect-key-seq", String(last)), last + 1);
  });

  Deno.test(`a keySeq goes on over redaction, expiry, a schedule and the spool (${store})`, async () => {
    await using at = await startDaemon({ store });
    const [lives] = await run(at, ["publish", "t", "x", "1", "--key", "k", "--ttl", "1h"]);
    assert.deepEqual([lives.keySeq, typeof lives.expiresAt], [1, "number"]);
    assert.equal(await publish(at, "--ttl", "1ms"), 2, "one that has expired counts");
    const past = ["--at", "2020-01-01T00:00:00Z", "--id", "past"];
    assert.equal(await publish(at, ...past), 3);
    assert.equal(await publish(at, "--delay", "100ms"), undefined, "it has no number until then");
    await until(async () => await at.countOf("t") === 4);
    assert.equal(await publish(at, "--expect-key-seq", "4"), 5);
    for (const seq of ["5", "2"]) await run(at, ["redact", "t", seq, "--yes"]);
    const events = await at.replay("t");
    assert.deepEqual(events.map(({ keySeq }) => keySeq), [1, 2, 3, 4, 5], "they keep theirs");
    assert.equal(new Set(events.map(({ key }) => key)).size, 2, "the key and its digest");
    await at.kill();
    const spool = ["publish", "t", "x", "{}", "--key", "k", "--spool"];
    const env = { EVS_CONFIG: at.config };
    const refused = await evs([...spool, "--expect-key-seq", "5"], { at, env });
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--expect-key-seq does not go with --spool/);
    for (const id of ["six", "seven"]) {
      const { code, stdout, stderr } = await evs([...spool, "--id", id], { at, env });
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).keySeq, undefined);
    }
    await at.start();
    await until(async () => await at.countOf("t") === 7);
    assert.deepEqual((await at.replay("t")).slice(5).map(({ keySeq }) => keySeq), [6, 7]);
    assert.equal(await publish(at, "--expect-key-seq", "7", "--id", "eight"), 8);
    assert.equal(await publish(at, ...past), 3, "a repeat");
    const where = await run(at, ["replay", "t", "--where", "event.keySeq > 6"]);
    assert.deepEqual(numbers(where), ["k7", "k8"]);
  });

  Deno.test(`the numbers of keys have no gap and none is there twice when the daemon is killed (${store})`, async () => {
    await using at = await startDaemon({ store });
    for (let n = 0; n < dose(2); n++) {
      const posts = Array.from({ length: 30 }, (_, i) => {
        const key = `key-${i % 3}`;
        return i % 5 === 0
          ? at.http("POST", path, [{ type: "x", key, payload: 1 }, { type: "x", key, payload: 2 }])
          : at.http("POST", `${path}?type=x&key=${key}`, {});
      });
      const settled = Promise.allSettled(posts);
      await Promise.any(posts);
      await at.kill();
      await settled;
      await at.start();
    }
    const events = await at.replay("t");
    assert.ok(events.length >= dose(2));
    for (const [key, of] of Object.entries(Object.groupBy(events, ({ key }) => key!))) {
      assert.deepEqual(of!.map(({ keySeq }) => keySeq), of!.map((_, i) => i + 1), key);
    }
  });

  Deno.test(`a topic that is copied has the same numbers (${store})`, async () => {
    await using at = await startDaemon({ store });
    for (const key of ["a", "b", "a"]) await run(at, ["publish", "t", "x", "{}", "--key", key]);
    const { stdout } = await evs(["replay", "t"], { at });
    await run(at, ["publish", "copy", "--envelope"], stdout);
    assert.deepEqual(numbers(await at.replay("copy")), ["a1", "b1", "a2"]);
  });
}

Deno.test("POST of events takes an expectedKeySeq, and says where each is", async () => {
  await using at = await startDaemon();
  const post = (query: string, body: unknown = {}) => at.http("POST", `${path}?${query}`, body);
  const first = await post("type=x&key=k&expectedKeySeq=0");
  assert.equal(first.json.events[0].keySeq, 1);
  const envelopes = [1, 2].map((payload) => ({ type: "x", key: "k", keySeq: 99, payload }));
  const array = await post("expectedKeySeq=1", envelopes);
  assert.deepEqual(numbers(array.json.events), [2, 3]);
  const late = await post("type=x&key=k&expectedKeySeq=1");
  assert.equal(late.status, 409, late.text);
  assert.deepEqual(late.json.error.details, {
    topic: "t",
    expected: { keySeq: 1 },
    actual: 3,
    subject: "key",
  });
  const refused = {
    "type=x&key=k&expectedKeySeq=1&expected=1": 400,
    "type=x&key=k&expectedKeySeq=-1": 400,
    "type=x&expectedKeySeq=0": 422,
    "type=x&key=k&expectedKeySeq=3&delayMs=1000": 400,
  };
  for (const [query, status] of Object.entries(refused)) {
    const { status: got, text } = await post(query);
    assert.equal(got, status, `${query}: ${text}`);
  }
  assert.equal((await at.replay("t")).length, 3);
});

Deno.test("events of several topics are stored only on top of the N-th of their keys", async () => {
  await using at = await startDaemon();
  const event = (topic: string, keySeq: number) => ({
    topic,
    type: "x",
    key: "k",
    payload: 1,
    expected: { keySeq },
  });
  const done = await at.http("POST", "/v1/events", [event("t", 0), event("u", 0)]);
  assert.deepEqual(numbers(done.json.events), [1, 1]);
  const late = await at.http("POST", "/v1/events", [event("t", 1), event("u", 0)]);
  assert.equal(late.status, 409, late.text);
  assert.match(late.text, /element 2: u: expected keySeq 0, but the last keySeq of the key k is 1/);
  const lines = [event("t", 1), event("u", 1)].map((line) => `${JSON.stringify(line)}\n`).join("");
  const [{ events }] = await run(at, ["publish", "--atomic"], lines);
  assert.deepEqual(numbers(events), [2, 2]);
  const keyless = await at.http("POST", "/v1/events", [{
    topic: "t",
    type: "x",
    payload: 1,
    expected: { keySeq: 0 },
  }]);
  assert.equal(keyless.json.error.code, "event/invalid-envelope");
});

/** The same through a broker of this process and through one of a daemon. */
async function library(broker: Pick<EventBroker, "publish" | "publishBatch" | "publishAll">) {
  const first = await broker.publish("t", "x", 1, { key: "k", expected: { keySeq: 0 } });
  assert.equal(first.keySeq, 1);
  const batch = [{ type: "x", payload: 1, key: "k" }, { type: "x", payload: 2, key: "k" }];
  const stored = await broker.publishBatch("t", batch, { expected: { keySeq: 1 } });
  assert.deepEqual(numbers(stored), ["k2", "k3"]);
  const expected = { topic: 3, keySeq: 3 };
  const all = await broker.publishAll([
    { topic: "t", type: "x", payload: 1, key: "k", expected },
    { topic: "u", type: "x", payload: 1, key: "k" },
    { topic: "u", type: "x", payload: 1 },
  ]);
  assert.deepEqual(numbers(all), ["k4", "k1", undefined]);
  await assert.rejects(
    broker.publish("t", "x", 1, { key: "k", expected: { keySeq: 3 } }),
    (error) => error instanceof ConflictError && error.details?.["actual"] === 4,
  );
  for (const wrong of [{ keySeq: -1 }, { keySeq: "1" }, {}, { keySeq: 1, seq: 1 }]) {
    const options = { key: "k", expected: wrong } as { key: string; expected: { keySeq: number } };
    await assert.rejects(broker.publish("t", "x", 1, options), { status: 400 });
  }
  await assert.rejects(broker.publish("t", "x", 1, { expected: { keySeq: 0 } }), {
    code: "event/invalid-envelope",
  });
}

Deno.test("publish, publishBatch and publishAll expect a keySeq in process", async () => {
  await using broker = new EventBroker();
  const handled: Event[] = [];
  await broker.subscribe("t", (event) => void handled.push(event));
  await library(broker);
  await broker.idle();
  assert.deepEqual(numbers(handled), ["k1", "k2", "k3", "k4"]);
});

Deno.test("publish, publishBatch and publishAll expect a keySeq of a daemon", async () => {
  await using at = await startDaemon();
  await using broker = await connect({ socket: at.socket });
  await library(broker);
  assert.deepEqual(numbers(await at.replay("t")), ["k1", "k2", "k3", "k4"]);
});

Deno.test("a keySeq is refused in words where keys are not counted", async () => {
  await using broker = new EventBroker({ eventStore: new ThreeMethods() });
  const options = { key: "k", expected: { keySeq: 0 } };
  await assert.rejects(broker.publish("t", "x", 1, options), UnsupportedError);
  assert.equal((await broker.publish("t", "x", 1, { key: "k" })).keySeq, undefined);
});
