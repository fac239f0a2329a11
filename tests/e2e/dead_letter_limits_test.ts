/**
 * Limits on the dead letters of a topic (`--dead-retention`, `--dead-max`): in both states and in
 * the file queue, through clock jumps and restarts, counted and told. Without limits nothing is
 * ever removed.
 */
import assert from "node:assert/strict";
import {
  connect,
  type DeadLetterQueue,
  EventBroker,
  FileDeadLetterQueue,
  MemoryState,
  SqliteState,
  UnsupportedError,
} from "../../mod.ts";
import type { State } from "../../core/state/state.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { testFolder } from "../helpers/folder.ts";
import { LateState } from "../helpers/late_state.ts";

const DAY = 86_400_000;
const STATES: Record<string, (folder: string) => State> = {
  MemoryState: () => new MemoryState(),
  SqliteState: (folder) => new SqliteState(`${folder}/state.db`),
  "SqliteState that answers late": (folder) => new LateState(new SqliteState(`${folder}/state.db`)),
};

/** A broker in its own folder whose subscriptions `a` and `b` give up on everything. */
async function inBroker(
  open: (folder: string) => State,
  work: (broker: EventBroker, clock: FakeClock) => Promise<void>,
): Promise<void> {
  const folder = await testFolder("test");
  const clock = new FakeClock();
  try {
    await using broker = new EventBroker({ clock, state: open(folder) });
    await broker.subscriptions.put("a", { topic: "jobs" });
    await broker.subscriptions.put("b", { topic: "jobs" });
    await broker.subscriptions.put("c", { topic: "others" });
    await work(broker, clock);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Publishes one event, which all subscriptions of the topic give up on. */
async function die(broker: EventBroker, topic = "jobs"): Promise<void> {
  await broker.publish(topic, "n", 1);
  for (const { record } of broker.subscriptions.of(topic)) await giveUp(broker, record.name);
}

/** Gives up on the next event of a subscription. */
async function giveUp(broker: EventBroker, name: string): Promise<void> {
  const request = { max: 1, waitMs: 60_000 };
  const { deliveries } = await broker.subscriptions.lease(name, request, { consumer: "c" });
  const failed = deliveries.map(({ token }) => ({ lease: token, error: "no", dead: true }));
  assert.equal(failed.length, 1);
  await broker.subscriptions.nack(name, failed);
}

/** The seqs of a subscription's dead letters, oldest first. */
async function dead(broker: EventBroker, subscription: string, topic = "jobs"): Promise<number[]> {
  const { records } = await broker.deadLetters.records({ subscription, topic }, { limit: 1000 });
  return records.map(({ seq }) => seq).reverse();
}

for (const [name, open] of Object.entries(STATES)) {
  Deno.test(`dead letters stay for ever with ${name} when no limit is set`, () =>
    inBroker(open, async (broker, clock) => {
      await die(broker);
      await clock.pass(10_000 * DAY);
      await broker.retain();
      assert.deepEqual([await dead(broker, "a"), await dead(broker, "b")], [[1], [1]]);
      assert.deepEqual(broker.deadLetterLimits.removed(), []);
    }));

  Deno.test(`dead letters expire with ${name} after --dead-retention, and only those of the topic`, () =>
    inBroker(open, async (broker, clock) => {
      broker.createTopic("jobs", { deadRetention: 7 * DAY });
      for (let day = 0; day < 4; day++) {
        await die(broker);
        if (day === 0) await die(broker, "others");
        await broker.retain();
        await clock.pass(2 * DAY);
      }
      // They are 8, 6, 4 and 2 days old.
      await broker.retain();
      assert.deepEqual([await dead(broker, "a"), await dead(broker, "b")], [[2, 3, 4], [2, 3, 4]]);
      assert.deepEqual(await dead(broker, "c", "others"), [1]);
      assert.deepEqual(
        broker.deadLetterLimits.removed().map((
          { subscription, topic, expired, capped },
        ) => [subscription, topic, expired, capped]),
        [["a", "jobs", 1, 0], ["b", "jobs", 1, 0]],
      );
      // One that is retried and dies again is new.
      await broker.deadLetters.retry({ ids: [await idOf(broker, 2)], subscription: "a" });
      await giveUp(broker, "a");
      await broker.retain();
      await clock.pass(2 * DAY);
      await broker.retain();
      assert.deepEqual([await dead(broker, "a"), await dead(broker, "b")], [[3, 4, 2], [3, 4]]);
    }));

  Deno.test(`--dead-max keeps the newest of each subscription with ${name}`, () =>
    inBroker(open, async (broker) => {
      broker.createTopic("jobs", { deadMax: 3 });
      for (let n = 0; n < 3; n++) await die(broker);
      await broker.deadLetters.remove({ subscription: "b", all: true });
      for (let n = 0; n < 2; n++) await die(broker);
      await broker.retain();
      assert.deepEqual([await dead(broker, "a"), await dead(broker, "b")], [[3, 4, 5], [4, 5]]);
      const removed = broker.deadLetterLimits.removed();
      assert.deepEqual(removed.map(({ subscription, capped }) => [subscription, capped]), [[
        "a",
        2,
      ]]);
      await broker.topics.update("jobs", { deadMax: 0 });
      for (let n = 0; n < 4; n++) await die(broker);
      await broker.retain();
      assert.equal((await dead(broker, "a")).length, 7);
    }));

  Deno.test(`a jump of the wall clock expires no dead letter with ${name}`, () =>
    inBroker(open, async (broker, clock) => {
      broker.createTopic("jobs", { deadRetention: 7 * DAY });
      await die(broker);
      await broker.retain();
      clock.jump(1000 * DAY);
      await broker.retain();
      await die(broker);
      await broker.retain();
      clock.jump(-2000 * DAY);
      await broker.retain();
      await die(broker);
      await broker.retain();
      // The next mark is due a second after the last.
      await clock.pass(1000);
      await broker.retain();
      assert.deepEqual(await dead(broker, "a"), [1, 2, 3]);
      await clock.pass(8 * DAY);
      await broker.retain();
      assert.deepEqual(await dead(broker, "a"), []);
    }));
}

async function idOf(broker: EventBroker, seq: number): Promise<string> {
  const { records } = await broker.deadLetters.records({ topic: "jobs" }, { limit: 1000 });
  return records.find((record) => record.seq === seq)!.id;
}

Deno.test("limits of dead letters and what they removed outlast a restart, and old ones count as their time says", async () => {
  const folder = await testFolder("test");
  const clock = new FakeClock();
  const open = () => new EventBroker({ clock, state: new SqliteState(`${folder}/state.db`) });
  try {
    {
      await using broker = open();
      await broker.subscriptions.put("a", { topic: "jobs" });
      await broker.subscriptions.put("b", { topic: "jobs" });
      await die(broker);
      await clock.pass(8 * DAY);
      await die(broker);
      // Nobody has looked at them before.
      await broker.topics.update("jobs", { deadRetention: 7 * DAY });
      await broker.retain();
      assert.deepEqual(await dead(broker, "a"), [2]);
    }
    await clock.pass(6 * DAY);
    {
      await using broker = open();
      assert.equal(broker.topics.require("jobs").options.deadRetention, 7 * DAY);
      assert.equal(broker.deadLetterLimits.removed()[0]!.expired, 1);
      await broker.retain();
      assert.deepEqual(await dead(broker, "a"), [2]);
      await clock.pass(2 * DAY);
      await broker.retain();
      assert.deepEqual(await dead(broker, "a"), []);
      assert.equal(broker.deadLetterLimits.removed()[0]!.expired, 2);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("FileDeadLetterQueue applies the limits of a topic, and a queue without trim is refused", async () => {
  const folder = await testFolder("test");
  const clock = new FakeClock();
  try {
    const deadLetterQueue = new FileDeadLetterQueue(folder, { now: () => clock.now() });
    await using broker = new EventBroker({ clock, deadLetterQueue });
    await broker.subscriptions.put("a", { topic: "jobs" });
    await broker.subscriptions.put("b", { topic: "other" });
    broker.createTopic("jobs", { deadMax: 2 });
    for (let n = 0; n < 4; n++) await die(broker);
    await broker.retain();
    const left = await deadLetterQueue.getEvents();
    assert.deepEqual(left.map(({ event }) => event.seq), [4, 3]);
    assert.deepEqual(
      broker.deadLetterLimits.removed().map(({ subscription, capped }) => [subscription, capped]),
      [["a", 2]],
    );
    const { addEvent, getEvents, retryEvent, removeEvent } = deadLetterQueue;
    const own: DeadLetterQueue = { addEvent, getEvents, retryEvent, removeEvent };
    await using other = new EventBroker({ deadLetterQueue: own });
    assert.throws(() => other.createTopic("jobs", { deadMax: 2 }), UnsupportedError);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Publishes events that the subscription gives up on. */
async function dieIn(at: TestDaemon, count: number): Promise<void> {
  await at.publish("jobs", "n", ...Array.from({ length: count }, (_, n) => n));
  const lease = await at.http("POST", "/v1/subscriptions/mailer/lease", { max: count });
  const deliveries = lease.json.deliveries.map(({ lease }: { lease: string }) => ({
    lease,
    error: "no",
    dead: true,
  }));
  assert.equal(deliveries.length, count);
  await at.http("POST", "/v1/subscriptions/mailer/nack", { deliveries });
}

Deno.test("topic --dead-max and --dead-retention work in a daemon by themselves, and are told everywhere", async () => {
  await using at = await startDaemon();
  const made = await evs(["topic", "create", "jobs", "--dead-max", "5"], { at });
  assert.equal(made.code, 0, made.stderr);
  assert.equal(JSON.parse(made.stdout).deadMax, 5);
  await at.http("PUT", "/v1/subscriptions/mailer", { topic: "jobs" });
  await dieIn(at, 12);
  const status = async () => (await at.http("GET", "/v1/status")).json;
  await until(async () => (await status()).deadLetters === 5);
  const updated = await evs(
    ["topic", "update", "jobs", "--dead-max", "0", "--dead-retention", "1s"],
    { at },
  );
  assert.equal(updated.code, 0, updated.stderr);
  // The dead letters are gone a moment before they are counted, and the log is told last.
  const log = () => Deno.readTextFile(`${at.dataDir}/log/daemon.log`);
  await until(async () => /dead letters removed by the limits.*"expired":5/.test(await log()));
  assert.equal((await status()).deadLetters, 0);
  const [{ subscription, topic, expired, capped }] = (await status()).deadLettersRemoved;
  assert.deepEqual([subscription, topic, expired, capped], ["mailer", "jobs", 5, 7]);
  for (const verb of ["list", "groups"]) {
    const { stderr } = await evs(["dlq", verb, "--verbose"], { at });
    assert.match(stderr, /12 dead letters were removed .*: 5 by age, 7 by number/, verb);
  }
  const metrics = (await at.http("GET", "/metrics")).text;
  assert.match(metrics, /^evs_dead_letters_expired_total 5$/m);
  assert.match(metrics, /^evs_dead_letters_capped_total 7$/m);
  await using broker = await connect({ socket: at.socket });
  await broker.createTopic("views", { deadRetention: 90_000, deadMax: 7 }).ready;
  const { deadRetention, deadMax } = (await at.http("GET", "/v1/topics/views")).json;
  assert.deepEqual([deadRetention, deadMax], [90_000, 7]);
  await at.stop();
});
