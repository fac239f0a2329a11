/**
 * What a broker tells of its topics and subscriptions: how much is published, what waits and since
 * when, and what became of it; in process, behind a socket, and through a pause of the daemon.
 */
import assert from "node:assert/strict";
import { contentsFacts, rateFacts } from "../../commands/topic/contents.ts";
import { factsOf } from "../../commands/subscription/shared.ts";
import { ClosedError, connect, EventBroker, NonRetryableError } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { STORES } from "../helpers/stores.ts";

async function shownTopic(at: TestDaemon, name: string) {
  const { code, stdout, stderr } = await evs(["topic", "show", name], { at });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("stats tells what is published, and what became of it, in process and behind a socket", async () => {
  await using at = await startDaemon();
  for (const broker of [new EventBroker(), await connect({ socket: at.socket })]) {
    const before = Date.now();
    const { promise: end, resolve } = Promise.withResolvers<void>();
    const subscription = broker.subscribe("orders", async ({ payload }) => {
      if (payload === "bad") throw new NonRetryableError("no");
      if (payload === "slow") await end;
    }, { name: "mail" });
    await subscription.ready;
    for (const payload of ["good", "bad", "slow", "next"]) {
      await broker.publish("orders", "made", payload);
    }
    const mail = async () => {
      const { subscriptions } = await broker.stats();
      return subscriptions.find(({ name }) => name === "mail")!;
    };
    await until(async () => {
      const { settled, leased } = await mail();
      return leased > 0 && settled.acknowledged === 1 && settled.dead === 1;
    });
    const one = await mail();
    assert.deepEqual(one.settled, { acknowledged: 1, failed: 1, dead: 1 });
    assert.deepEqual([one.topic, one.dead, one.inFlight], ["orders", 1, undefined]);
    const oldest = one.oldestPendingAt!;
    assert.ok(before - 10 <= oldest && oldest <= Date.now() + 10, `${before} ${oldest}`);

    const { topics } = await broker.stats();
    const [topic] = topics;
    assert.equal(topics.length, 1);
    assert.deepEqual([topic!.name, topic!.lastSeq], ["orders", 4]);
    assert.ok(before - 10 <= topic!.newestAt! && topic!.newestAt! <= Date.now() + 10);
    const { last1m, last5m, last15m } = topic!.rates;
    assert.ok(last1m > last5m && last5m > last15m && last15m > 0 && last1m <= 4 / 60);

    resolve();
    await broker.idle();
    await until(async () => (await mail()).settled.acknowledged === 3);
    assert.equal((await mail()).oldestPendingAt, undefined);
    await broker.close();
    await assert.rejects(broker.stats(), ClosedError);
  }
});

Deno.test("stats: rates fall with time and need no timer", async () => {
  const clock = new FakeClock();
  await using broker = new EventBroker({ clock });
  for (let i = 0; i < 60; i++) {
    await broker.publish("t", "n", i);
    await clock.pass(1000);
  }
  const timers = clock.timers;
  const rate = async () => (await broker.stats()).topics[0]!.rates.last1m;
  const busy = await rate();
  assert.ok(busy > 0.6 && busy < 0.66, `${busy}`); // 1 - 1/e
  await clock.pass(60_000);
  const quiet = await rate();
  assert.ok(Math.abs(quiet - busy / Math.E) < 0.01, `${quiet}`);
  assert.equal(clock.timers, timers);
});

Deno.test("subscription.info, retries and broker.stats wait for a daemon that is away", async () => {
  await using at = await startDaemon();
  const broker = await connect({ socket: at.socket });
  await broker.publish("t", "n", 1);
  const subscription = broker.subscribe("t", () => {
    throw new Error("no");
  }, { name: "s", retryDelay: 3_600_000 });
  await subscription.ready;
  await until(async () => (await subscription.info()).scheduled === 1);
  await at.stop();
  const asked = Promise.all([subscription.info(), subscription.retries(), broker.stats()]);
  await at.start();
  const [info, { retries }, { subscriptions }] = await asked;
  assert.deepEqual([info.scheduled, info.retries![0]!.reason], [1, retries[0]!.reason]);
  assert.match(info.retries![0]!.reason!, /no/);
  assert.deepEqual(subscriptions.map(({ name }) => name), ["s"]);
  await broker.close();
});

for (const store of STORES) {
  Deno.test(`evs topic show tells the rate and the newest event's age, after a restart, too (${store})`, async () => {
    await using at = await startDaemon({ store });
    const before = Date.now();
    await at.publish("t", "n", 1, 2, 3);
    const shown = await shownTopic(at, "t");
    assert.ok(shown.rates.last1m > 0 && shown.rates.last1m <= 3 / 60);
    assert.ok(before - 10 <= shown.newestAt && shown.newestAt <= Date.now() + 10);
    const facts = rateFacts(shown, shown.newestAt + 240_000);
    assert.match(String(facts["rate"]), /^0\.0\d+\/s over 1m, 0\.0\d+\/s over 5m, /);
    assert.match(String(facts["newest"]), /^4m ago \(/);
    assert.deepEqual(contentsFacts(shown)["types"], ["3  n"]);
    await at.stop();
    await at.start();
    const again = await shownTopic(at, "t");
    assert.deepEqual(again.rates, { last1m: 0, last5m: 0, last15m: 0 });
    assert.equal(again.newestAt, (await at.replay("t")).at(-1).timestamp);
    await at.http("PUT", "/v1/topics/empty", {});
    assert.equal((await shownTopic(at, "empty")).newestAt, undefined);
  });
}

Deno.test("evs subscription show says how old the oldest event is, and when its consumer last answered", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1, 2);
  const path = "/v1/subscriptions/s";
  await at.http("PUT", path, { topic: "t" });
  const consumer = { id: "one", pid: 7, host: "box", command: "./bill" };
  const { deliveries } = (await at.http("POST", `${path}/lease`, { max: 2, consumer })).json;
  await at.http("POST", `${path}/ack`, { leases: [deliveries[0].lease] });
  const { stdout } = await evs(["subscription", "show", "s"], { at });
  const info = JSON.parse(stdout);
  const [held] = info.inFlight;
  assert.ok(held.consumer.lastAckAt >= held.since);
  const facts = factsOf(info, info.oldestPendingAt + 600_000);
  assert.match(String(facts["oldest"]), /^10m ago \(/);
  const [line] = facts["in flight"] as string[];
  assert.match(
    line!,
    /^t 2, attempt 1, since \S+: pid 7 on box \(connected \S+ ago, last answer \S+ ago\), \.\/bill$/,
  );
});
