/** The consumer's loop with a daemon that crashes, fills up and gives wrong answers. */
import assert from "node:assert/strict";
import { systemClock } from "../../../../core/base/clock.ts";
import { ConnectionLostError, RemoteError } from "../../../../core/base/errors.ts";
import { consumer, exit, FakeDaemon, Handlers, until } from "../../../helpers/fake_consumer.ts";

Deno.test("Consumer handles every event once and in order when all succeed", async () => {
  const daemon = new FakeDaemon(5);
  const { it } = consumer(daemon, new Handlers(() => exit(0)));
  const result = await it.run();
  assert.deepEqual(result, { done: 5, retried: 0, dead: 0, lost: 0 });
  assert.deepEqual(daemon.acked, [1, 2, 3, 4, 5]);
});

Deno.test("Consumer retries, then counts a dead letter, when a handler keeps failing", async () => {
  const daemon = new FakeDaemon(2);
  const { it, said } = consumer(daemon, new Handlers((seq) => exit(seq === 1 ? 3 : 0)));
  const result = await it.run();
  assert.deepEqual(result, { done: 1, retried: 1, dead: 1, lost: 0 });
  assert.deepEqual(daemon.dead, [1]);
  assert.match(said.join("\n"), /dead letter: t 1 \(id-1\): exit code 3/);
});

Deno.test("Consumer never runs more than its concurrency and acks together what ends together", async () => {
  const daemon = new FakeDaemon(40);
  const handlers = new Handlers(() => undefined);
  const { it } = consumer(daemon, handlers, { concurrency: 4 });
  const run = it.run();
  while (daemon.acked.length < 40) {
    await until(() => handlers.running.size === Math.min(4, 40 - daemon.acked.length));
    for (const end of [...handlers.running.values()]) end(exit(0));
    await until(() => handlers.started.length === daemon.acked.length + handlers.running.size);
  }
  assert.equal((await run).done, 40);
  assert.equal(handlers.most, 4);
  assert.ok(daemon.calls.includes("ack 4"), daemon.calls.join());
});

Deno.test("Consumer pauses before it gives the event back when the command cannot be run", async () => {
  const daemon = new FakeDaemon(3);
  const { it } = consumer(daemon, new Handlers(() => exit(127)));
  const result = await it.run();
  assert.match(result.paused ?? "", /exit code 127/);
  assert.deepEqual(daemon.released, [1]);
  assert.deepEqual(daemon.pending, [1, 2, 3]);
  assert.deepEqual(daemon.dead, []);
  const settles = daemon.calls.filter((call) => !call.startsWith("lease"));
  assert.deepEqual(settles, ["pause", "release"]);
});

Deno.test("Consumer ends when somebody else pauses the subscription", async () => {
  const daemon = new FakeDaemon(0);
  const { it } = consumer(daemon, new Handlers(() => exit(0)), { untilEmpty: false });
  const run = it.run();
  await until(() => daemon.calls.length > 0);
  await daemon.pause("for repairs");
  assert.equal((await run).paused, "for repairs");
});

Deno.test("Consumer stops after max attempts and leaves the rest", async () => {
  const daemon = new FakeDaemon(9);
  const handlers = new Handlers(() => exit(0));
  const { it } = consumer(daemon, handlers, { max: 4, concurrency: 3, untilEmpty: false });
  assert.equal((await it.run()).done, 4);
  assert.deepEqual(handlers.started, [1, 2, 3, 4]);
  assert.deepEqual(daemon.pending, [5, 6, 7, 8, 9]);
});

Deno.test("Consumer takes a new lease over when the daemon comes back while a handler runs", async () => {
  const daemon = new FakeDaemon(2);
  const handlers = new Handlers(() => undefined);
  const { it, said } = consumer(daemon, handlers, { concurrency: 3 });
  const run = it.run();
  await until(() => handlers.running.size === 2);
  daemon.crash();
  await until(() => said.some((text) => /lost the daemon/.test(text)));
  handlers.running.get(1)?.(exit(0)); // Judged while there is no daemon.
  daemon.up = true;
  await until(() => daemon.acked.length === 1);
  handlers.running.get(2)?.(exit(0));
  const result = await run;
  assert.deepEqual(handlers.started, [1, 2]);
  assert.deepEqual(result, { done: 2, retried: 0, dead: 0, lost: 0 });
  assert.match(said.join("\n"), /the daemon is back/);
});

Deno.test("Consumer keeps what is done while the daemon's disk is full, begins no more, and goes on by itself", async () => {
  const daemon = new FakeDaemon(6);
  daemon.full = true;
  const handlers = new Handlers(() => exit(0));
  const { it, said } = consumer(daemon, handlers, { concurrency: 2 });
  const run = it.run();
  await until(() => said.some((text) => /disk is full/.test(text)));
  await until(() => daemon.calls.filter((call) => call.startsWith("ack")).length >= 2);
  assert.deepEqual(handlers.started, [1, 2], "no more is begun than was under way");
  daemon.full = false;
  assert.deepEqual(await run, { done: 6, retried: 0, dead: 0, lost: 0 });
  assert.deepEqual(daemon.acked.toSorted(), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(handlers.started, [1, 2, 3, 4, 5, 6], "each once");
  assert.deepEqual(said, [
    "the daemon's disk is full; what was done is settled when there is room",
    "the daemon's disk has room again; going on",
  ]);
});

Deno.test("Consumer stops at once when it is told to while the daemon's disk is full, and says what it could not settle", async () => {
  const daemon = new FakeDaemon(3);
  daemon.full = true;
  const { it, said } = consumer(daemon, new Handlers(() => exit(0)));
  const run = it.run();
  await until(() => said.some((text) => /disk is full/.test(text)));
  it.stop("SIGTERM");
  await assert.rejects(run, { code: "store/disk-full" });
});

Deno.test("Consumer keeps what is done while the daemon's database is away, and goes on by itself", async () => {
  const daemon = new FakeDaemon(6);
  const handlers = new Handlers(() => undefined);
  const { it, said } = consumer(daemon, handlers, { concurrency: 2, prefetch: 0 });
  const run = it.run();
  await until(() => handlers.running.size === 2);
  daemon.away = true;
  for (const end of [...handlers.running.values()]) end(exit(0));
  await until(() => daemon.calls.filter((call) => call.startsWith("ack")).length >= 2);
  await until(() => daemon.calls.filter((call) => call.startsWith("lease")).length >= 3);
  assert.deepEqual(daemon.acked, []);
  daemon.away = false;
  while (daemon.acked.length < 6) {
    for (const end of [...handlers.running.values()]) end(exit(0));
    await until(() => handlers.running.size > 0 || daemon.acked.length === 6);
  }
  assert.deepEqual(await run, { done: 6, retried: 0, dead: 0, lost: 0 });
  assert.deepEqual(handlers.started, [1, 2, 3, 4, 5, 6], "each once");
  assert.deepEqual(said, [
    "the daemon's database is away; waiting for it to come back",
    "the daemon's database is back; going on",
  ]);
});

Deno.test("Consumer waits while the daemon is a drained node, and settles what it has", async () => {
  const daemon = new FakeDaemon(4);
  const handlers = new Handlers(() => undefined);
  const { it, said } = consumer(daemon, handlers, { concurrency: 2, prefetch: 0 });
  const run = it.run();
  await until(() => handlers.running.size === 2);
  daemon.drained = true;
  for (const end of [...handlers.running.values()]) end(exit(0));
  await until(() => daemon.acked.length === 2);
  await until(() => said.length === 1);
  const leases = () => daemon.calls.filter((call) => call.startsWith("lease")).length;
  const before = leases();
  await until(() => leases() > before);
  daemon.drained = false;
  while (daemon.acked.length < 4) {
    for (const end of [...handlers.running.values()]) end(exit(0));
    await until(() => handlers.running.size > 0 || daemon.acked.length === 4);
  }
  assert.deepEqual(await run, { done: 4, retried: 0, dead: 0, lost: 0 });
  assert.deepEqual(said, [
    "the daemon is a node that is drained; waiting until it delivers again",
    "the daemon delivers again; going on",
  ]);
});

Deno.test("Consumer stops at once when it is told to while the daemon's database is away", async () => {
  const daemon = new FakeDaemon(3);
  daemon.away = true;
  const { it, said } = consumer(daemon, new Handlers(() => exit(0)));
  const run = it.run();
  await until(() => said.some((text) => /database is away/.test(text)));
  it.stop("SIGTERM");
  assert.deepEqual(await run, { done: 0, retried: 0, dead: 0, lost: 0, interrupted: "SIGTERM" });
});

Deno.test("Consumer says that an event will be redelivered when its lease was lost", async () => {
  const daemon = new FakeDaemon(1);
  const handlers = new Handlers(() => undefined);
  const { it, said } = consumer(daemon, handlers);
  const run = it.run();
  await until(() => handlers.running.size === 1);
  daemon.leases.clear(); // It ran out, and another consumer did it.
  handlers.running.get(1)?.(exit(0));
  assert.equal((await run).lost, 1);
  assert.match(said.join("\n"), /t 1 .*will be redelivered/);
});

Deno.test("Consumer begins nothing again that is done by the time it reads that it was handed out anew", async () => {
  const daemon = new FakeDaemon(2);
  const handlers = new Handlers(() => undefined);
  const { it } = consumer(daemon, handlers, { untilEmpty: false });
  const run = it.run();
  await until(() => handlers.running.size === 1);
  // Its lease ran out while it stood still; its late answer is taken, and read before the reply
  // to a lease request that the daemon answered before.
  const [lease] = daemon.leases.keys();
  const [asked, lateReply] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ask = daemon.lease.bind(daemon);
  daemon.lease = async (request) => {
    daemon.pending.unshift(1);
    const leased = await ask(request);
    daemon.leases.delete(leased.deliveries[0]!.lease);
    asked.resolve();
    await lateReply.promise;
    daemon.lease = ask;
    return leased;
  };
  const settle = daemon.ack.bind(daemon);
  daemon.ack = async (leases) => {
    const reply = await settle(leases);
    await asked.promise;
    if (leases.includes(lease!)) setTimeout(() => lateReply.resolve(), 0);
    return reply;
  };
  handlers.running.get(1)?.(exit(0));
  await until(() => handlers.running.size === 1 && handlers.started.includes(2));
  handlers.running.get(2)?.(exit(0));
  await until(() => daemon.acked.length === 2);
  it.stop("SIGINT");
  assert.equal((await run).done, 2);
  assert.deepEqual(handlers.started, [1, 2]);
});

Deno.test("Consumer ends handlers and gives their events back when it is stopped", async () => {
  const daemon = new FakeDaemon(3);
  const handlers = new Handlers(() => undefined);
  const { it } = consumer(daemon, handlers, { concurrency: 2 });
  const run = it.run();
  await until(() => handlers.running.size === 2);
  it.stop("SIGINT");
  const result = await run;
  assert.equal(result.interrupted, "SIGINT");
  assert.deepEqual(handlers.signals, ["1 SIGTERM", "2 SIGTERM"]);
  assert.deepEqual(daemon.pending.toSorted(), [1, 2, 3]);
  assert.deepEqual([daemon.dead, daemon.acked], [[], []]);
  assert.equal(daemon.attempts.size, 0);
});

Deno.test("Consumer stops at once when the daemon is gone", async () => {
  const daemon = new FakeDaemon(1);
  const handlers = new Handlers(() => undefined);
  const { it, said } = consumer(daemon, handlers);
  const run = it.run();
  await until(() => handlers.running.size === 1);
  daemon.crash();
  handlers.running.get(1)?.(exit(0));
  await until(() => said.some((text) => /lost the daemon/.test(text)));
  it.stop("SIGTERM");
  assert.equal((await run).interrupted, "SIGTERM");
});

Deno.test("Consumer throws and ends its handlers when the daemon answers with an error", async () => {
  const daemon = new FakeDaemon(2);
  const handlers = new Handlers((seq) => seq === 1 ? exit(0) : undefined);
  daemon.ack = () => Promise.reject(new RangeError("what?"));
  const { it } = consumer(daemon, handlers, { concurrency: 2 });
  await assert.rejects(it.run(), /what\?/);
  assert.deepEqual(handlers.signals, ["2 SIGTERM"]);
});

for (const code of ["request/timeout", "daemon/stopping", "daemon/busy", "broker/closed"]) {
  Deno.test(`Consumer connects again and goes on when a request ends with ${code}`, async () => {
    const daemon = new FakeDaemon(2);
    const handlers = new Handlers(() => exit(0));
    const lease = daemon.lease.bind(daemon);
    let leases = 0;
    // What a daemon answers that stood still in the middle of the request, or is restarted.
    daemon.lease = async (request) => {
      if (leases++ === 0) throw new RemoteError({ code, message: "not now" }, 503);
      return await lease(request);
    };
    const { it } = consumer(daemon, handlers);
    assert.equal((await it.run()).done, 2);
    assert.deepEqual(handlers.started, [1, 2]);
  });
}

Deno.test("Consumer gives a handler up to a batch of events and settles each of them", async () => {
  const daemon = new FakeDaemon(7);
  const handlers = new Handlers((seq) => exit(seq === 3 ? 65 : 0));
  const batches: number[] = [];
  const { it } = consumer(daemon, handlers, {
    batch: 3,
    start: (deliveries) => {
      batches.push(deliveries.length);
      return handlers.start(deliveries);
    },
  });
  const result = await it.run();
  assert.deepEqual(batches, [3, 3, 1]);
  assert.deepEqual([result.done, result.dead], [6, 1]);
  assert.deepEqual(daemon.acked, [1, 2, 4, 5, 6, 7]);
});

Deno.test("Consumer counts each event of a batch when it may do only so many", async () => {
  const daemon = new FakeDaemon(9);
  const { it } = consumer(daemon, new Handlers(() => exit(0)), { batch: 4, max: 6 });
  assert.equal((await it.run()).done, 6);
});

Deno.test("Consumer runs the next attempt when a failure was counted and only the answer was lost", async () => {
  const daemon = new FakeDaemon(1);
  daemon.maxRetries = 3;
  let runs = 0;
  const handlers = new Handlers(() => exit(runs++ === 0 ? 1 : 0));
  const { it } = consumer(daemon, handlers);
  const nack = daemon.nack.bind(daemon);
  daemon.nack = async (items) => {
    await nack(items);
    // The daemon dies behind its commit.
    daemon.crash();
    daemon.nack = nack;
    queueMicrotask(() => daemon.up = true);
    throw new ConnectionLostError("gone");
  };
  const result = await it.run();
  assert.deepEqual(handlers.started, [1, 1]);
  assert.deepEqual([result.done, result.retried], [1, 1]);
  assert.deepEqual([...daemon.attempts], [[1, 1]]);
});

Deno.test("Consumer settles with the new lease when the event came again while the old one was being settled", async () => {
  const daemon = new FakeDaemon(1);
  const handlers = new Handlers(() => exit(0));
  const { it } = consumer(daemon, handlers);
  const ack = daemon.ack.bind(daemon);
  daemon.ack = async (leases) => {
    daemon.ack = ack;
    // The daemon was killed and is back before the acknowledgement: it knows nothing of the lease.
    daemon.crash();
    daemon.up = true;
    const reply = await ack(leases);
    await until(() => daemon.leases.size > 0);
    return reply;
  };
  const result = await it.run();
  assert.deepEqual([result.done, result.lost], [1, 0]);
  assert.deepEqual(handlers.started, [1]);
  assert.equal(daemon.leases.size, 0);
});

Deno.test("Consumer leases ahead when handlers are quick, and gives back what it did not begin", async () => {
  const daemon = new FakeDaemon(500);
  const handlers = new Handlers((seq) => seq < 100 ? exit(0) : undefined);
  // Quick on a busy machine, too.
  const { it } = consumer(daemon, handlers, { clock: { ...systemClock, monotonic: () => 0 } });
  const run = it.run();
  await until(() => handlers.running.has(100));
  const leases = daemon.calls.filter((call) => call.startsWith("lease")).length;
  assert.ok(leases < 20, `${leases} requests for 100 events`);
  assert.ok(daemon.leases.size > 1);
  it.stop("SIGTERM");
  assert.equal((await run).done, 99);
  assert.equal(daemon.pending.length, 401);
  assert.equal(daemon.leases.size, 0);
});

Deno.test("Consumer marks the deliveries of quick handlers together, and each of slow ones alone", async () => {
  for (const [handlerMs, together] of [[0, true], [10, false]] as const) {
    const daemon = new FakeDaemon(200);
    let now = 0;
    const clock = { ...systemClock, monotonic: () => now };
    const handlers = new Handlers(() => {
      now += handlerMs;
      return exit(0);
    });
    const { it } = consumer(daemon, handlers, { marks: "ahead", clock });
    assert.equal((await it.run()).done, 200);
    assert.equal(daemon.begun.length, 200);
    assert.equal(Math.max(...daemon.marks) > 20, together, `marks of ${daemon.marks}`);
    if (!together) assert.deepEqual(new Set(daemon.marks), new Set([1]));
  }
});

Deno.test("Consumer leases nothing ahead while a handler takes long", async () => {
  const daemon = new FakeDaemon(9);
  const handlers = new Handlers(() => undefined);
  const { it } = consumer(daemon, handlers, { concurrency: 2 });
  const run = it.run();
  await until(() => handlers.running.size === 2);
  assert.deepEqual([...daemon.leases.values()], [1, 2]);
  it.stop("SIGTERM");
  await run;
});

Deno.test("Consumer begins nothing after a command that cannot be run, however much it has in reserve", async () => {
  const daemon = new FakeDaemon(300);
  const handlers = new Handlers((seq) => exit(seq < 100 ? 0 : 127));
  const { it } = consumer(daemon, handlers);
  const result = await it.run();
  assert.match(result.paused ?? "", /exit code 127/);
  assert.equal(handlers.started.at(-1), 100);
  assert.deepEqual([daemon.acked.length, daemon.pending.length, daemon.leases.size], [99, 201, 0]);
});
