/**
 * Topics that keep what a named subscription has not finished (`--keep unconsumed`), and that drop
 * what all have (`--drop consumed`): in every store, in process and behind a daemon, through
 * restarts, SIGKILL and a backup.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import {
  connect,
  EventBroker,
  FileEventStore,
  MemoryEventStore,
  SqliteEventStore,
  SqliteState,
  UnsupportedError,
} from "../../mod.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs, until } from "../helpers/evs.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { testFolder } from "../helpers/folder.ts";
import { STORES } from "../helpers/stores.ts";
import { ThreeMethods } from "../helpers/three_methods.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** Leases up to `max` events of a subscription, and acknowledges those that `isDone` says. */
async function consume(
  at: TestDaemon,
  name: string,
  { max, isDone = () => true }: { max: number; isDone?: (seq: number) => boolean },
): Promise<number[]> {
  using client = new Client({ socket: at.socket });
  const { deliveries } = await client.lease(name, { max, bind: true });
  const seqs = deliveries.map(({ event }) => (event as { seq: number }).seq);
  const leases = deliveries.filter((_, i) => isDone(seqs[i]!)).map(({ lease }) => lease);
  if (leases.length > 0) await client.ack(name, { leases });
  return seqs;
}

async function put(at: TestDaemon, ...names: string[]): Promise<void> {
  for (const name of names) {
    const answer = await at.http("PUT", `/v1/subscriptions/${name}`, { topic: "jobs" });
    assert.equal(answer.status, 201, answer.text);
  }
}

const topicOf = async (at: TestDaemon) => (await at.http("GET", "/v1/topics/jobs")).json;

for (const store of [...STORES, "memory"] as const) {
  Deno.test(`topic --keep unconsumed lets limits wait for the slowest subscription, and says so (${store})`, async () => {
    await using at = await startDaemon();
    const made = await evs(
      ["topic", "create", "jobs", "--store", store, "--max-events", "5", "--keep", "unconsumed"],
      { at },
    );
    assert.equal(made.code, 0, made.stderr);
    assert.equal(JSON.parse(made.stdout).keep, "unconsumed");
    await at.publish("jobs", "n", ...numbers(20));
    // Nobody has consumed anything: everything is kept, and the first subscription gets all of it.
    await until(async () => (await topicOf(at)).heldBack?.count === 15);
    assert.deepEqual((await topicOf(at)).heldBack.by, []);
    await put(at, "fast", "slow");
    assert.deepEqual(await consume(at, "fast", { max: 18 }), numbers(18));
    assert.deepEqual(await consume(at, "slow", { max: 6 }), numbers(6));
    await until(async () => (await topicOf(at)).firstSeq === 7);
    await until(async () => (await topicOf(at)).heldBack?.count === 9);
    const { heldBack } = await topicOf(at);
    assert.deepEqual([heldBack.from, heldBack.to, heldBack.by], [7, 15, ["slow"]]);
    const { slow } = Object.fromEntries(
      (await at.http("GET", "/v1/subscriptions")).json.subscriptions
        .map((one: { name: string }) => [one.name, one]),
    );
    assert.deepEqual(slow.missed, []);
    // What it waited for is done: the limit holds again, and no more than it.
    assert.deepEqual(await consume(at, "slow", { max: 14 }), numbers(20).slice(6));
    await until(async () => (await topicOf(at)).firstSeq === 16);
    await until(async () => (await topicOf(at)).heldBack === undefined);
    await at.stop();
  });

  Deno.test(`topic --drop consumed drops what all subscriptions have finished, and no more (${store})`, async () => {
    await using at = await startDaemon();
    const made = await evs(["topic", "create", "jobs", "--store", store, "--drop", "consumed"], {
      at,
    });
    assert.equal(made.code, 0, made.stderr);
    await at.publish("jobs", "n", ...numbers(20));
    await put(at, "a", "b");
    assert.deepEqual(await consume(at, "a", { max: 20 }), numbers(20));
    // The fifth is given back: it is not finished.
    assert.deepEqual(await consume(at, "b", { max: 12, isDone: (seq) => seq !== 5 }), numbers(12));
    await until(async () => (await at.http("GET", "/v1/subscriptions/b")).json.leased === 0);
    await until(async () => (await topicOf(at)).firstSeq === 5);
    assert.deepEqual((await at.replay("jobs")).map(({ seq }) => seq), numbers(20).slice(4));
    using client = new Client({ socket: at.socket });
    const { deliveries: [fifth] } = await client.lease("b", { max: 1, waitMs: 60_000 });
    await client.nack("b", { deliveries: [{ lease: fifth!.lease, error: "no", dead: true }] });
    // Dead is finished, and the dead letter has its own copy.
    await until(async () => (await topicOf(at)).firstSeq === 13);
    const { deadLetters } = (await at.http("GET", "/v1/dead-letters/b:" + await idOf(at))).json;
    assert.equal(deadLetters[0].event.payload, 5);
    await consume(at, "b", { max: 20 });
    await until(async () => (await topicOf(at)).events === 0);
    assert.deepEqual(await at.replay("jobs"), []);
    const { firstSeq } = await at.publish("jobs", "n", 21);
    assert.equal(firstSeq, 21);
    await at.stop();
  });
}

async function idOf(at: TestDaemon): Promise<string> {
  const { text } = await at.http("GET", "/v1/dead-letters");
  return JSON.parse(text.trim()).id;
}

Deno.test("evs status, topic show and doctor name what a paused subscription holds back", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/topics/jobs", { maxEvents: 1, keep: "unconsumed" });
  await put(at, "mailer");
  await at.publish("jobs", "n", 1, 2, 3);
  await until(async () => (await topicOf(at)).heldBack?.count === 2);
  const words = /2 events past its limits \(1 to 2\) wait for mailer, for \d/;
  const shown = await evs(["topic", "show", "jobs"], { at });
  assert.deepEqual(JSON.parse(shown.stdout).heldBack.by, ["mailer"]);
  const status = JSON.parse((await evs(["status"], { at })).stdout);
  assert.deepEqual(
    status.heldBack.map(({ topic, by }: { topic: string; by: string[] }) => [topic, by]),
    [["jobs", ["mailer"]]],
  );
  const finding = async () => {
    const { code, stdout } = await evs(["doctor"], { at });
    assert.equal(code, 0, stdout);
    return stdout.trim().split("\n").map((line) => JSON.parse(line))
      .find(({ check }) => check === "held-back");
  };
  const before = await finding();
  assert.deepEqual([before.level, before.where], ["ok", "jobs"]);
  assert.match(before.what, words);
  await at.http("POST", "/v1/subscriptions/mailer/pause", { reason: "migrating" });
  const { level, hint } = await finding();
  assert.deepEqual([level, hint], ["warning", "evs subscription resume mailer"]);
  await evs(["subscription", "remove", "mailer", "--yes"], { at });
  await until(async () => (await topicOf(at)).heldBack?.by.length === 0);
  const log = () => Deno.readTextFile(`${at.dataDir}/log/daemon.log`);
  await until(async () => /retention of jobs waits/.test(await log()));
  const metrics = (await at.http("GET", "/metrics")).text;
  assert.match(metrics, /^evs_events_held_back 2$/m);
});

Deno.test("topic update, backup and restore keep keep and drop, and a restart finishes what was left", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/topics/jobs", {});
  await put(at, "a");
  await at.publish("jobs", "n", 1, 2, 3);
  await consume(at, "a", { max: 3 });
  const updated = await evs(
    ["topic", "update", "jobs", "--keep", "unconsumed", "--drop", "consumed"],
    { at },
  );
  assert.equal(updated.code, 0, updated.stderr);
  await until(async () => (await topicOf(at)).events === 0);
  const file = `${at.folder}/backup.tar`;
  assert.equal((await evs(["backup", file], { at })).code, 0);
  await using other = await newDaemon();
  const restored = await evs(["restore", file], { at: other });
  assert.equal(restored.code, 0, restored.stderr);
  await other.start();
  const { keep, drop, lastSeq } = await topicOf(other);
  assert.deepEqual([keep, drop, lastSeq], ["unconsumed", "consumed", 3]);
  await other.publish("jobs", "n", 4);
  await consume(other, "a", { max: 1 });
  await other.kill();
  await other.start();
  await until(async () => (await topicOf(other)).events === 0);
});

for (const store of STORES) {
  Deno.test(`nothing unfinished is dropped when the daemon is killed while it drops (${store})`, async () => {
    await using at = await startDaemon({ store });
    await at.http("PUT", "/v1/topics/jobs", { maxEvents: 1, keep: "unconsumed", drop: "consumed" });
    await put(at, "a", "b");
    const handled = { a: new Set<number>(), b: new Set<number>() };
    let published = 0;
    const firstUnfinished = () => {
      let seq = 1;
      while (handled.a.has(seq) && handled.b.has(seq)) seq++;
      return seq;
    };
    const round = async (name: "a" | "b", isDone: (seq: number) => boolean) => {
      for (const seq of await consume(at, name, { max: 40, isDone })) {
        if (isDone(seq)) handled[name].add(seq);
      }
    };
    for (let kill = 0; kill < dose(4); kill++) {
      published = (await at.publish("jobs", "n", ...numbers(100))).lastSeq;
      // Of each hundred some wait for the next turn.
      const isDone = (seq: number) => seq % 7 !== 0 || seq <= published - 100;
      for (let i = 0; i < 4; i++) await Promise.all([round("a", isDone), round("b", isDone)]);
      // A pass runs a second after what is acknowledged: in every second turn before the kill.
      const dropped = async () => (await topicOf(at)).firstSeq === firstUnfinished();
      if (kill % 2 === 0) await until(dropped);
      await at.kill();
      await at.start();
      const { firstSeq, lastSeq } = await topicOf(at);
      assert.equal(lastSeq, published);
      for (let seq = 1; seq < firstSeq; seq++) {
        assert.ok(handled.a.has(seq) && handled.b.has(seq), `${seq} was dropped unfinished`);
      }
    }
    for (const name of ["a", "b"] as const) {
      for (;;) {
        const seqs = await consume(at, name, { max: 1000 });
        if (seqs.length === 0) break;
        for (const seq of seqs) handled[name].add(seq);
      }
      assert.deepEqual([...handled[name]].sort((x, y) => x - y), numbers(published));
      assert.deepEqual((await at.http("GET", `/v1/subscriptions/${name}`)).json.missed, []);
    }
    await until(async () => (await topicOf(at)).events === 0);
    await at.stop();
  });
}

Deno.test("EventBroker drops nothing that waits for a retry, until it is done", async () => {
  // No pass by itself: each is the test's own.
  await using broker = new EventBroker({ clock: new FakeClock() });
  broker.createTopic("jobs", { drop: "consumed" });
  const { subscriptions, store } = broker;
  await subscriptions.put("worker", { topic: "jobs" });
  for (const n of numbers(4)) await broker.publish("jobs", "n", n);
  const lease = async () =>
    (await subscriptions.lease("worker", { max: 4 }, { consumer: "c" })).deliveries;
  const [first, second, third] = await lease();
  await subscriptions.nack("worker", [{ lease: second!.token, error: "no", afterMs: 86_400_000 }]);
  await subscriptions.ack("worker", [first!.token, third!.token]);
  assert.deepEqual(await broker.retain(), [{ topic: "jobs", removed: 1 }]);
  assert.equal(store.head("jobs").firstSeq, 2, "the second waits for a day");
  subscriptions.require("worker").queue.ready.makeDue(
    subscriptions.require("worker").queue.ready.retryOf("jobs", second!.entry.id)!,
  );
  const [again] = await lease();
  await subscriptions.ack("worker", [again!.token]);
  assert.deepEqual(await broker.retain(), [{ topic: "jobs", removed: 2 }]);
  assert.equal(store.head("jobs").firstSeq, 4, "the fourth is leased");
});

Deno.test("EventBroker drops what is consumed when no daemon hosts it, in every store", async () => {
  const folder = await testFolder("test");
  const stores = {
    memory: () => new MemoryEventStore(),
    sqlite: () => new SqliteEventStore(`${folder}/events.db`),
    file: () => new FileEventStore(`${folder}/events`),
  };
  try {
    for (const [kind, open] of Object.entries(stores)) {
      const state = new SqliteState(`${folder}/${kind}.db`);
      await using broker = new EventBroker({ eventStore: open(), state, handlerGraceMs: 1 });
      const topic = broker.createTopic("jobs", { drop: "consumed", keep: "unconsumed" });
      assert.deepEqual([topic.options.drop, topic.options.keep], ["consumed", "unconsumed"]);
      const seen: unknown[] = [];
      broker.subscribe("jobs", ({ payload }) => void seen.push(payload), { name: "worker" });
      // One without a name holds nothing back.
      broker.subscribe("jobs", () => new Promise(() => {}), { maxRetries: 0 });
      for (const n of numbers(3)) await broker.publish("jobs", "n", n);
      await until(() => broker.store.head("jobs").firstSeq === 4);
      assert.deepEqual(seen, [1, 2, 3], kind);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("createTopic takes keep and drop over connect, and refuses them on a three-method store", async () => {
  await using at = await startDaemon();
  await using broker = await connect({ socket: at.socket });
  await broker.createTopic("jobs", { keep: "unconsumed", drop: "consumed" }).ready;
  const { keep, drop } = await topicOf(at);
  assert.deepEqual([keep, drop], ["unconsumed", "consumed"]);
  const wrong = await evs(["topic", "update", "jobs", "--drop", "everything"], { at });
  assert.equal(wrong.code, 2, wrong.stdout);
  await using own = new EventBroker({ eventStore: new ThreeMethods() });
  assert.throws(() => own.createTopic("jobs", { drop: "consumed" }), UnsupportedError);
});
