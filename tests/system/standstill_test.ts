/**
 * Contract row 28: a standstill of the daemon or of a client ends no consumer, and turns no handled
 * event into a dead letter.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { connect } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { RunningEvs, until } from "../helpers/evs.ts";
import { RawConnection } from "../helpers/raw_connection.ts";
import { STORES } from "../helpers/stores.ts";

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Stops the process for this long, ms; `meanwhile` runs once it has stopped. */
async function standStill(pid: number, ms: number, meanwhile?: () => Promise<void>): Promise<void> {
  Deno.kill(pid, "SIGSTOP");
  try {
    const over = sleep(ms);
    await meanwhile?.();
    await over;
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
}

/**
 * Shorter than the standstills. The handlers take a small part of it: the consumers run in this
 * process, which a busy machine holds up, too.
 */
const LEASE_MS = 2500;

/** Handles events until it is told to stop, each in time; returns how many. */
async function consume(daemon: TestDaemon, isOver: () => boolean): Promise<number> {
  using client = new Client({ socket: daemon.socket });
  let handled = 0;
  while (!isOver()) {
    const { deliveries } = await client.lease("s", { max: 4, leaseMs: LEASE_MS, waitMs: 200 });
    if (deliveries.length === 0) continue;
    await sleep(Math.random() * LEASE_MS / 8);
    const reply = await client.ack("s", { leases: deliveries.map(({ lease }) => lease) });
    assert.deepEqual(reply, { settled: deliveries.length, lost: [] }, "each answer was in time");
    handled += deliveries.length;
  }
  return handled;
}

Deno.test("daemon takes every answer that was in time through standstills longer than the leases", async () => {
  await Promise.all(STORES.map(async (store) => {
    await using daemon = await startDaemon({ store });
    await daemon.http("PUT", "/v1/subscriptions/s", {
      topic: "t",
      from: "start",
      settings: { maxRetries: 0 },
    });
    let over = false;
    const consumers = Array.from({ length: 4 }, () => consume(daemon, () => over));
    const publisher = (async () => {
      for (let i = 0; !over; i += 10) {
        await daemon.publish("t", "n", ...Array.from({ length: 10 }, (_, n) => i + n));
        await sleep(50);
      }
    })();
    try {
      for (let i = 0; i < dose(20) / STORES.length; i++) {
        await sleep(200 + Math.random() * 300);
        await standStill(daemon.pid, LEASE_MS + 100 + Math.random() * 500);
      }
    } finally {
      over = true;
    }
    await publisher;
    const handled = (await Promise.all(consumers)).reduce((sum, count) => sum + count, 0);
    const { dead, cursors, leased } = (await daemon.http("GET", "/v1/subscriptions/s")).json;
    assert.equal(dead, 0);
    assert.equal(leased, 0);
    assert.equal(cursors[0].next, handled + 1, "every one was handled, and once");
  }));
});

/** Long enough for requests that seem to be late; at the full dose for leases, too. */
const LONG_MS = dose(1) >= 10 ? 60_000 : 12_000;

const HEAD = "HTTP/1.1\r\nhost: evs\r\n";

Deno.test("consume, tail, connect() and half-sent requests go on after the daemon stood still for long", async () => {
  await using daemon = await startDaemon();
  const times = dose(0.3, 3);
  const numbers = Array.from({ length: 8 * times }, (_, i) => i);
  await daemon.publish("t", "n", ...numbers);
  const tail = new RunningEvs(["tail", "t", "--from", "start"], { at: daemon });
  const command = ["--", "sh", "-c", "sleep 0.3"];
  const settings = ["--concurrency", "2", "--max-retries", "0"];
  const consumer = new RunningEvs(["consume", "t", "--name", "c", ...settings, ...command], {
    at: daemon,
  });
  const broker = await connect({ socket: daemon.socket });
  const seen: unknown[] = [];
  broker.subscribe("t", async ({ payload }) => {
    await sleep(100);
    seen.push(payload);
  }, { name: "l", maxRetries: 0 });
  const subscription = async (name: string) =>
    (await daemon.http("GET", `/v1/subscriptions/${name}`)).json;
  await until(async () => (await subscription("c")).leased > 0);
  // Whoever asks a daemon for the first time while it stands still is told so, and ends.
  await until(() => tail.stdout.includes("\n"));
  for (let i = 0; i < times; i++) {
    const [head, body] = [
      await RawConnection.open(daemon.socket),
      await RawConnection.open(daemon.socket),
    ];
    await head.send(`GET /v1/status ${HEAD}`);
    const length = "content-type: application/json\r\ncontent-length: 3";
    await body.send(`POST /v1/topics/half/events?type=n ${HEAD}${length}\r\n\r\n1`);
    // Read by the daemon, so that its timers run.
    await daemon.http("GET", "/v1/health");
    await standStill(daemon.pid, LONG_MS, async () => {
      await head.send("\r\n");
      await body.send("23");
    });
    assert.equal((await head.answer()).status, 200);
    assert.equal((await body.answer()).status, 200);
    head.close();
    body.close();
  }
  await daemon.publish("t", "n", "last");
  const all = [...numbers, "last"];
  for (const name of ["c", "l"]) {
    await until(async () => (await subscription(name)).cursors[0].next > all.length);
    assert.equal((await subscription(name)).dead, 0, name);
  }
  assert.deepEqual(seen, all, "each came once, in order");
  await until(() => tail.stdout.includes("last"));
  const shown = tail.stdout.trimEnd().split("\n").map((line) => JSON.parse(line).payload);
  assert.deepEqual(shown, all);
  for (const running of [tail, consumer]) {
    running.child.kill("SIGINT");
    assert.equal((await running.end()).code, 130, running.stderr);
  }
  assert.match(consumer.stderr, new RegExp(`^${all.length} done, 0 retried, 0 dead`, "m"));
  await broker.close();
});

Deno.test("consume believes its handler's exit code after it stood still beyond --timeout itself", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("t", "n", 1);
  const consumer = new RunningEvs(
    // It says on stderr that it runs.
    ["consume", "t", "--name", "c", "--timeout", "5s", "--max-retries", "0", "--max", "1", "--"]
      .concat("sh", "-c", "echo began >&2; sleep 0.5"),
    { at: daemon },
  );
  await consumer.said(/began/);
  await standStill(consumer.child.pid, 6000);
  assert.equal((await consumer.end()).code, 0, consumer.stderr);
  assert.equal((await daemon.http("GET", "/v1/subscriptions/c")).json.dead, 0);
});

Deno.test("expect finds what came in time after it stood still beyond --timeout itself", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/topics/t", {});
  const expecting = new RunningEvs(["expect", "t", "--timeout", "6s"], { at: daemon });
  await until(async () => (await daemon.http("GET", "/v1/status")).json.tails === 1);
  await standStill(expecting.child.pid, 7000, () => daemon.publish("t", "n", 7));
  assert.equal((await expecting.end()).code, 0, expecting.stderr);
  assert.match(expecting.stdout, /"payload":7/);
});
