/**
 * `consume --rate` and the library's `rate`: no more starts than it permits, and what waits for its
 * turn is nobody's.
 */
import assert from "node:assert/strict";
import { type Broker, connect, EventBroker, type SubscribeOptions } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

// deno-lint-ignore no-explicit-any -- a test looks into answers freely
async function show(at: TestDaemon): Promise<any> {
  return JSON.parse((await evs(["subscription", "show", "mailer"], { at })).stdout);
}

const consume = ["consume", "t", "--name", "mailer"];

Deno.test("consume --rate starts no more than the rate permits, one by one and in batches", async () => {
  await using at = await startDaemon();
  for (let n = 1; n <= 6; n++) await at.publish("t", "x", n);
  const since = performance.now();
  const each = await evs(
    [...consume, "--rate", "4/s", "--concurrency", "6", "--until-empty", "--", "cat"],
    { at },
  );
  // Several run at the same time: what one prints may come after what a later one does.
  const printed = each.stdout.split("\n").filter(Boolean).sort();
  assert.deepEqual([each.code, printed], [0, ["1", "2", "3", "4", "5", "6"]], each.stderr);
  assert.ok(performance.now() - since >= 1_250, "six starts have five waits of 250 ms");

  const again = performance.now();
  const batches = await evs(
    ["consume", "t", "--name", "index", "--rate", "4/s", "--batch", "3", "--until-empty", "--"]
      .concat("wc", "-l"),
    { at },
  );
  assert.deepEqual([batches.code, batches.stdout], [0, "3\n3\n"], batches.stderr);
  assert.ok(performance.now() - again >= 750, "the second batch waits for three events' time");
});

Deno.test("consume --rate leaves what waits for its turn to other consumers, and stops at once", async () => {
  await using at = await startDaemon();
  for (let n = 1; n <= 3; n++) await at.publish("t", "x", n);
  const slow = new RunningEvs([...consume, "--rate", "1/h", "--", "cat"], { at });
  await until(() => slow.stdout === "1\n");
  await until(async () => (await show(at)).leased === 0);
  assert.equal((await show(at)).pending, 2);
  const other = await evs([...consume, "--until-empty", "--", "cat"], { at });
  assert.equal(other.stdout, "2\n3\n", other.stderr);
  slow.child.kill("SIGTERM");
  assert.equal((await slow.ended).code, 0);
  await slow.end();
});

Deno.test("consume --rate refuses what is no rate", async () => {
  const refused = await evs([...consume, "--rate", "10", "--", "cat"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /a rate is a whole number per s, m or h, such as 10\/s/);
});

async function sixEvents(
  broker: Broker,
  { persistent = true, batch = false } = {},
): Promise<number> {
  const topic = persistent ? "t" : "live";
  if (!persistent) await broker.createTopic(topic, { persistent }).ready;
  const seen: number[] = [];
  const options: SubscribeOptions = { name: "mailer", rate: "20/s", concurrency: 3 };
  const subscription = batch
    ? broker.subscribeBatch(topic, (all) => void seen.push(...all.map((one) => one.payload)), {
      name: "mailer",
      rate: "20/s",
    })
    : broker.subscribe(topic, (event) => void seen.push(event.payload), options);
  await subscription.ready;
  const since = performance.now();
  for (let n = 1; n <= 6; n++) await broker.publish(topic, "x", n);
  await broker.idle();
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  return performance.now() - since;
}

Deno.test("subscribe with a rate starts no more than it permits, in process, without a store and over connect()", async () => {
  const least = 240; // five waits of 50 ms; a timer may be a little early by another clock
  for (const options of [{}, { persistent: false }, { batch: true }]) {
    await using broker = new EventBroker();
    const took = await sixEvents(broker, options);
    assert.ok(took >= least, `${JSON.stringify(options)} took ${took} ms`);
  }
  await using at = await startDaemon();
  await using broker = await connect({ socket: at.socket });
  const took = await sixEvents(broker);
  assert.ok(took >= least, `over connect() it took ${took} ms`);
});

Deno.test("subscribe with a rate waits by its clock, leases nothing ahead and ends while it waits", async () => {
  const clock = new FakeClock();
  const broker = new EventBroker({ clock });
  const seen: number[] = [];
  const subscription = broker.subscribe("t", (event) => void seen.push(event.payload), {
    name: "mailer",
    rate: "1/m",
  });
  await subscription.ready;
  for (let n = 1; n <= 3; n++) await broker.publish("t", "x", n);
  await until(() => seen.length === 1);
  await clock.pass(59_999);
  assert.deepEqual(seen, [1]);
  const { pending, leased } = await subscription.info();
  assert.deepEqual([pending, leased], [2, 0]);
  await clock.pass(1);
  await until(() => seen.length === 2);
  await broker.close();
  assert.deepEqual(seen, [1, 2]);
});

Deno.test("subscribe refuses a rate that is none", () => {
  const broker = new EventBroker();
  for (const rate of ["10", "fast", 10 as unknown as string]) {
    assert.throws(() => broker.subscribe("t", () => {}, { rate }), {
      code: "argument/invalid",
      message: /such as 10\/s/,
    });
  }
});
