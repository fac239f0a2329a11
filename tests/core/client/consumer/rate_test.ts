/** A consumer with a rate: what it starts, and what it leaves in the daemon meanwhile. */
import assert from "node:assert/strict";
import { consumer, exit, FakeDaemon, Handlers, until } from "../../../helpers/fake_consumer.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { parseRate } from "../../../../core/base/rate.ts";

/** Lets time pass in small steps until `done`; returns how much of it, ms. */
async function passUntil(clock: FakeClock, done: () => boolean): Promise<number> {
  const since = clock.monotonic();
  while (!done()) {
    await clock.pass(10);
    if (clock.monotonic() - since > 24 * 3_600_000) throw new Error("a day has passed");
  }
  return clock.monotonic() - since;
}

Deno.test("Consumer starts events evenly and holds no lease on those that wait when it has a rate", async () => {
  const clock = new FakeClock();
  const daemon = new FakeDaemon(21);
  const starts: number[] = [];
  let most = 0;
  const handlers = new Handlers(() => {
    starts.push(clock.monotonic());
    most = Math.max(most, daemon.leases.size);
    return exit(0);
  });
  const { it } = consumer(daemon, handlers, { clock, rate: parseRate("10/s"), concurrency: 4 });
  const run = it.run();
  const took = await passUntil(clock, () => daemon.acked.length === 21);
  assert.equal((await run).done, 21);
  assert.ok(took >= 2_000 && took <= 2_050, `21 events at 10/s take two seconds, not ${took} ms`);
  assert.ok(starts.every((at, i) => i === 0 || at - starts[i - 1]! >= 100), starts.join());
  assert.equal(most, 1);
});

Deno.test("Consumer leaves an event to others in the daemon until its turn when it has a rate", async () => {
  const clock = new FakeClock();
  const daemon = new FakeDaemon(3);
  const { it } = consumer(daemon, new Handlers(() => exit(0)), {
    clock,
    rate: parseRate("1/h"),
    untilEmpty: false,
  });
  const run = it.run();
  await passUntil(clock, () => daemon.acked.length === 1);
  await clock.pass(3_500_000);
  assert.deepEqual([daemon.pending, daemon.leases.size], [[2, 3], 0]);
  await passUntil(clock, () => daemon.acked.length === 2);
  it.stop("SIGTERM");
  await run;
  assert.deepEqual(daemon.pending, [3]);
});

Deno.test("Consumer ends at once when nothing is left, whatever its rate", async () => {
  const clock = new FakeClock();
  const daemon = new FakeDaemon(1);
  const { it } = consumer(daemon, new Handlers(() => exit(0)), { clock, rate: parseRate("1/h") });
  assert.equal((await it.run()).done, 1);
  assert.equal(clock.monotonic(), 0);
});

Deno.test("Consumer counts retries, and goes on after a lost daemon, when it has a rate", async () => {
  const clock = new FakeClock();
  const daemon = new FakeDaemon(3);
  const starts: number[] = [];
  let failed = false;
  const handlers = new Handlers((seq) => {
    starts.push(clock.monotonic());
    if (seq !== 2 || failed) return exit(0);
    failed = true;
    return exit(1);
  });
  const { it } = consumer(daemon, handlers, { clock, rate: parseRate("60/m"), concurrency: 2 });
  const run = it.run();
  await passUntil(clock, () => daemon.acked.length === 1);
  daemon.crash();
  await passUntil(clock, () => it.inHand === 0 && clock.monotonic() >= 900);
  daemon.up = true;
  await passUntil(clock, () => daemon.acked.length === 3);
  await run;
  assert.deepEqual(handlers.started, [1, 2, 3, 2]);
  assert.ok(starts.every((at, i) => i === 0 || at - starts[i - 1]! >= 1_000), starts.join());
});

Deno.test("Consumer runs whole batches that keep the rate together", async () => {
  const clock = new FakeClock();
  const daemon = new FakeDaemon(60);
  const starts: number[] = [];
  const { it } = consumer(daemon, new Handlers((seq) => (starts.push(seq), exit(0))), {
    clock,
    rate: parseRate("10/s"),
    batch: 20,
    concurrency: 3,
  });
  const run = it.run();
  await until(() => daemon.acked.length === 20);
  await clock.pass(1_990);
  assert.equal(starts.length, 20);
  const rest = await passUntil(clock, () => daemon.acked.length === 60);
  assert.ok(rest >= 2_000 && rest <= 2_050, `${rest}`);
  assert.equal((await run).done, 60);
});
