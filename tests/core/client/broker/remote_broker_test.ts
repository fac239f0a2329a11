/**
 * The client's broker when the daemon is killed, stays away, is paused, or loses a subscription.
 */
import assert from "node:assert/strict";
import {
  connect,
  ConnectionLostError,
  type ConnectOptions,
  NoDaemonError,
  systemClock,
} from "../../../../mod.ts";
import { startDaemon, type TestDaemon } from "../../../helpers/daemon.ts";
import { dose } from "../../../helpers/dose.ts";
import { LossyProxy } from "../../../helpers/lossy_proxy.ts";

async function open(daemon: TestDaemon, options: ConnectOptions = {}) {
  const notices: string[] = [];
  const errors: unknown[] = [];
  const broker = await connect({
    socket: daemon.socket,
    onNotice: (text) => notices.push(text),
    onError: (error) => errors.push(error),
    ...options,
  });
  return { broker, notices, errors };
}

Deno.test("connect says that no daemon answers, and what to type", async () => {
  await assert.rejects(connect({ socket: "/tmp/evs-nobody-is-here.sock" }), (error) => {
    assert.ok(error instanceof NoDaemonError, String(error));
    assert.match(error.hint!, /evs daemon start/);
    return true;
  });
});

Deno.test("RemoteBroker publishes once through a kill -9 of the daemon, whatever was under way", async () => {
  await using daemon = await startDaemon();
  const { broker } = await open(daemon);
  await using _ = broker;
  const published: Promise<unknown>[] = [];
  const rounds = dose(3);
  for (let n = 0; n < 100 * rounds; n++) {
    published.push(broker.publish("t", "x", n));
    if (n % 10 === 0) await published.at(-1);
    if (n % 100 !== 50) continue;
    await daemon.kill("SIGKILL");
    published.push(broker.publish("t", "x", `while away ${n}`));
    await daemon.start();
  }
  await Promise.all(published);
  const events = await broker.getEventStore().getEvents("t");
  assert.equal(events.length, 101 * rounds);
  const numbers = events.map(({ payload }) => payload).filter((payload) =>
    typeof payload === "number"
  );
  assert.deepEqual(
    numbers,
    Array.from({ length: 100 * rounds }, (_, n) => n),
    "each once, in the order of the calls",
  );
});

Deno.test("RemoteBroker stores an event once when the answer to its publish is lost, a batch and an expectation too", async () => {
  await using daemon = await startDaemon();
  await using proxy = new LossyProxy(`${daemon.folder}/proxy.sock`, daemon.socket);
  const broker = await connect({ socket: proxy.socket, onNotice() {} });
  await using _ = broker;
  proxy.lose = 2;
  assert.equal((await broker.publish("t", "x", 1)).seq, 1);
  proxy.lose = 1;
  assert.equal((await broker.publish("t", "x", 2, { expected: 1 })).seq, 2);
  proxy.lose = 1;
  const batch = [{ type: "x", payload: 3 }, { type: "x", payload: 4 }];
  assert.deepEqual((await broker.publishBatch("t", batch)).map(({ seq }) => seq), [3, 4]);
  assert.equal(proxy.lost, 4);
  const events = await broker.getEventStore().getEvents("t");
  assert.deepEqual(events.map(({ payload }) => payload), [1, 2, 3, 4]);
});

Deno.test("RemoteBroker rejects a publish in words when the daemon does not come back", async () => {
  await using daemon = await startDaemon();
  const { broker } = await open(daemon, { patienceMs: 50 });
  await using _ = broker;
  await daemon.kill("SIGKILL");
  await assert.rejects(broker.publish("t", "x", 1, { id: "mine" }), (error) => {
    assert.ok(error instanceof ConnectionLostError, String(error));
    assert.match(error.message, /not known whether the event mine of t reached it/);
    assert.match(error.hint!, /same id/);
    assert.deepEqual(error.details, { topic: "t", ids: ["mine"] });
    return true;
  });
});

Deno.test("RemoteBroker goes on without a gap after a kill -9: handlers, named or not, and streams", async () => {
  await using daemon = await startDaemon();
  const { broker, notices } = await open(daemon);
  await using _ = broker;
  const named: number[] = [];
  const unnamed: number[] = [];
  const streamed: number[] = [];
  broker.subscribe("t", (event) => void named.push(event.payload), { name: "n" });
  broker.subscribe("t", (event) => void unnamed.push(event.payload));
  const stream = broker.stream("t");
  const reading = (async () => {
    for await (const event of stream) if (streamed.push(event.payload) === 60) break;
  })();
  let last = await broker.publish("t", "x", 0);
  for (let n = 1; n < 60; n++) {
    last = await broker.publish("t", "x", n);
    if (n % 20 !== 10) continue;
    await daemon.kill("SIGKILL");
    await daemon.start();
  }
  await broker.whenProcessed(last);
  await broker.idle();
  await reading;
  const all = Array.from({ length: 60 }, (_, n) => n);
  assert.deepEqual(streamed, all, "a stream has no gap and no repeat");
  // At least once: what was being acknowledged when the daemon died may come again.
  assert.deepEqual([...new Set(named)].sort((a, b) => a - b), all);
  assert.deepEqual([...new Set(unnamed)].sort((a, b) => a - b), all);
  assert.ok(notices.some((text) => /the daemon is back/.test(text)), notices.join("\n"));
});

Deno.test("RemoteBroker waits for a position and for idleness through a restart, however long it waited before", async () => {
  await using daemon = await startDaemon();
  let passed = 0;
  const clock = { ...systemClock, monotonic: () => performance.now() + passed };
  const { broker } = await open(daemon, { clock, patienceMs: 20_000 });
  await using _ = broker;
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  broker.subscribe("t", () => (begun.resolve(), gate.promise), { name: "s" });
  const event = await broker.publish("t", "x", 1);
  await begun.promise;
  const [processed, idle] = [broker.whenProcessed(event), broker.idle()];
  // Two questions and their answers later the ones before are with the daemon.
  for (let turn = 0; turn < 2; turn++) await broker.client.status();
  passed = 60_000;
  await daemon.kill("SIGKILL");
  await daemon.start();
  gate.resolve();
  await Promise.all([processed, idle]);
});

Deno.test("RemoteBroker waits through an operator's pause, and says when its subscription is removed", async () => {
  await using daemon = await startDaemon();
  const { broker, errors } = await open(daemon);
  await using _ = broker;
  const seen: number[] = [];
  const subscription = broker.subscribe("t", (event) => void seen.push(event.payload), {
    name: "s",
  });
  await broker.publish("t", "x", 1);
  await broker.idle();
  await broker.client.pauseSubscription("s", { reason: "tea" });
  const second = await broker.publish("t", "x", 2);
  assert.equal((await subscription.info()).paused, true);
  await broker.client.resumeSubscription("s");
  await broker.whenProcessed(second);
  assert.deepEqual(seen, [1, 2]);
  const { promise, resolve } = Promise.withResolvers<void>();
  const told = errors.push.bind(errors);
  errors.push = (...of) => (resolve(), told(...of));
  await broker.client.removeSubscription("s");
  await promise;
  assert.match(String(errors[0]), /the subscription s was removed|there is no subscription s/);
});

Deno.test("RemoteBroker leaves no subscription without a name behind", async () => {
  await using daemon = await startDaemon();
  const { broker } = await open(daemon);
  broker.subscribe("t", () => {});
  await broker.publish("t", "x", 1);
  await broker.idle();
  const other = await open(daemon);
  assert.equal((await other.broker.client.subscriptions()).length, 1);
  await broker.close();
  assert.deepEqual(await other.broker.client.subscriptions(), []);
  await other.broker.close();
});

Deno.test("RemoteBroker goes on when the daemon has closed the connections that it kept", async () => {
  await using daemon = await startDaemon();
  await using proxy = new LossyProxy(`${daemon.folder}/proxy.sock`, daemon.socket);
  const broker = await connect({ socket: proxy.socket, onNotice() {} });
  await using _ = broker;
  await broker.publish("t", "x", 1);
  proxy.closeAll();
  assert.equal((await broker.publish("t", "x", 2)).seq, 2);
  proxy.closeAll();
  assert.equal((await broker.registerSchema("x", { type: "number" })).created, true);
  proxy.closeAll();
  await broker.createTopic("u", { maxEvents: 7 }).ready;
  proxy.closeAll();
  assert.equal((await broker.getTopic("u"))?.options.maxEvents, 7);
});
