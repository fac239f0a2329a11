/**
 * Consumers are notified of events that retention deleted before delivery: the lease reply, evs
 * consume, the library.
 */
import assert from "node:assert/strict";
import { connect, EventBroker } from "../../mod.ts";
import { OverflowError } from "../../core/base/errors.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

const MISSED = { topic: "t", from: 1, to: 90, count: 90 };
const WORDS = "missed 1..90 of t (90 events): retention deleted them";

/** A subscription of a topic that keeps 10 events. */
async function subscribe(at: TestDaemon): Promise<void> {
  await at.http("PUT", "/v1/topics/t", { maxEvents: 10 });
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
}

/** Publishes 100 events, of which the last 10 are left. */
async function overtake(at: TestDaemon): Promise<void> {
  await at.publish("t", "n", ...Array.from({ length: 100 }, (_, i) => i + 1));
  await until(async () => (await at.http("GET", "/v1/topics/t")).json.events === 10);
}

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`a lease reply tells once what retention deleted before it was delivered: ${store}`, async () => {
    await using at = await startDaemon({ store });
    await subscribe(at);
    await overtake(at);
    const lease = async () => (await at.http("POST", "/v1/subscriptions/s/lease", { max: 3 })).json;
    const first = await lease();
    assert.deepEqual(first.missed, [MISSED]);
    assert.equal(first.deliveries[0].event.seq, 91);
    const second = await lease();
    assert.equal(second.missed, undefined);
    assert.equal(second.deliveries[0].event.seq, 94);
    const info = (await at.http("GET", "/v1/subscriptions/s")).json;
    assert.deepEqual(info.missed, [MISSED]);
  });
}

Deno.test("evs consume says what retention deleted before it was delivered, when it happens and at its start", async () => {
  await using at = await startDaemon();
  await subscribe(at);
  await at.http("PUT", "/v1/subscriptions/late", { topic: "t" });
  await at.http("POST", "/v1/subscriptions/s/pause", { reason: "a break" });
  const consume = new RunningEvs(["consume", "t", "--name", "s", "--max", "10", "--", "true"], {
    at,
  });
  await consume.said(/a break/);
  await overtake(at);
  assert.doesNotMatch(consume.stderr, /missed/);
  await at.http("POST", "/v1/subscriptions/s/resume");
  assert.equal((await consume.end()).code, 0);
  assert.equal(consume.stderr.split(WORDS).length, 2, consume.stderr);

  // Nobody was consuming: the first consumer is notified, and none after it.
  const rest = ["consume", "t", "--name", "late", "--until-empty", "--", "true"];
  const late = await evs(rest, { at });
  assert.equal(late.code, 0, late.stderr);
  assert.equal(late.stderr.split(WORDS).length, 2, late.stderr);
  assert.doesNotMatch((await evs(rest, { at })).stderr, /missed/);
});

Deno.test("a subscription of connect() tells onNotice what it missed", async () => {
  await using at = await startDaemon();
  await subscribe(at);
  await overtake(at);
  const notices: string[] = [];
  await using broker = await connect({
    socket: at.socket,
    onNotice: (text) => notices.push(text),
  });
  const seqs: (number | undefined)[] = [];
  broker.subscribe("t", ({ seq }) => void seqs.push(seq), { name: "s" });
  await broker.idle();
  assert.deepEqual(seqs, Array.from({ length: 10 }, (_, i) => i + 91));
  assert.deepEqual(notices, [`s: ${WORDS}`]);
});

Deno.test("a subscription in this process tells onError what it missed", async () => {
  const errors: unknown[] = [];
  await using broker = new EventBroker({ onError: (error) => errors.push(error) });
  await broker.createTopic("t", { maxEvents: 10 });
  const seqs: (number | undefined)[] = [];
  const subscription = broker.subscribe("t", ({ seq }) => void seqs.push(seq), { name: "s" });
  await subscription.ready;
  subscription.pause();
  for (let n = 1; n <= 100; n++) await broker.publish("t", "n", n);
  await broker.retain();
  subscription.resume();
  await broker.idle();
  // What was at hand already is delivered all the same.
  const info = await subscription.info();
  const [missed] = info.missed;
  assert.ok(missed !== undefined && missed.count > 50);
  assert.deepEqual(
    seqs,
    Array.from({ length: 100 }, (_, i) => i + 1)
      .filter((seq) => seq < missed.from || seq > missed.to),
  );
  assert.equal(errors.length, 1);
  const [error] = errors;
  assert.ok(error instanceof OverflowError);
  assert.deepEqual(error.details, { subscription: "s", ...missed });
  assert.match(error.message, /^s missed \d+\.\.90 of t \(\d+ events\): retention deleted them$/);
});
