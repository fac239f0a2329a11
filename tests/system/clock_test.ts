/**
 * Contract rows 10 and 28 on a real daemon whose wall clock is wrong at its start, or moved while
 * it runs.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { STORES } from "../helpers/stores.ts";

const DAY = 86_400_000;
/** Retries come within seconds; one that a clock jump put off would come after a day, ms. */
const LATEST = 60_000;

/**
 * Debian's faketime (https://github.com/wolfcw/libfaketime): the wall clock of a process is that of
 * the file's offset.
 */
async function findLibrary(): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"],
  }).output();
  const path = new TextDecoder().decode(stdout).trim();
  assert.notEqual(path, "", "this tool is needed: apt-get install faketime");
  return path;
}

/** A daemon that is not started yet, and what shifts its wall clock. */
async function daemonWithClock(
  store?: string,
): Promise<{ daemon: TestDaemon; shift: (days: number) => Promise<void> }> {
  const library = await findLibrary();
  const daemon = await newDaemon({ store });
  const offset = `${daemon.folder}/offset`;
  daemon.options.wrapper = [
    "env",
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${offset}`,
    "FAKETIME_NO_CACHE=1",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
    "DONT_FAKE_MONOTONIC=1",
  ];
  const shift = (days: number) => Deno.writeTextFile(offset, `${days < 0 ? "" : "+"}${days}d\n`);
  await shift(0);
  return { daemon, shift };
}

Deno.test("daemon keeps order, seqs, followers and running timers when its clock jumps by months", async () => {
  const made = await daemonWithClock();
  const { shift } = made;
  await using daemon = made.daemon;
  await daemon.start();
  using client = new Client({ socket: daemon.socket });
  await daemon.http("PUT", "/v1/topics/t", {});
  await daemon.http("PUT", "/v1/subscriptions/s", {
    topic: "t",
    from: "start",
    settings: {
      maxRetries: 5,
      backoff: { kind: "fixed", base: 1500, max: 1500, jitter: false },
    },
  });
  const follower = await client.fetch({
    method: "GET",
    path: "/v1/topics/t/events",
    query: { follow: 1, from: "start", limit: 40 },
  });

  await daemon.publish("t", "n", 0);
  const [lease] = (await client.lease("s", { max: 1, leaseMs: 60_000 })).deliveries;
  // A retry that is due in 1.5 s of time that passes, and a lease that lasts a minute of it.
  const failedAt = performance.now();
  await client.nack("s", { deliveries: [{ lease: lease!.lease, error: "not now" }] });
  let at = 1;
  for (const days of [90, -400, 30, -1]) {
    await shift(days);
    for (let i = 0; i < 9; i++) await daemon.publish("t", "n", at++);
  }
  const status = (await daemon.http("GET", "/v1/subscriptions/s")).json;
  assert.equal(status.scheduled, 1, "no jump makes a retry due");
  const retried = await client.lease("s", { max: 1, waitMs: LATEST });
  let { seq } = retried.deliveries[0]!.event as { seq: number };
  // Only a busy machine takes so long for the publishes that the retry is due.
  if (performance.now() - failedAt < 1500) assert.equal(seq, 2, "others go on meanwhile");
  while (seq !== 1) {
    const { deliveries } = await client.lease("s", { max: 1, waitMs: LATEST });
    ({ seq } = deliveries[0]!.event as { seq: number });
  }
  const waited = performance.now() - failedAt;
  assert.ok(waited >= 1400, `the retry came after ${Math.round(waited)} ms`);
  assert.ok(waited < LATEST, `the retry came after ${Math.round(waited)} ms`);

  const stored = await daemon.replay("t");
  assert.deepEqual(stored.map(({ seq }) => seq), Array.from({ length: at }, (_, i) => i + 1));
  assert.deepEqual(stored.map(({ payload }) => payload), Array.from({ length: at }, (_, i) => i));
  const times = stored.map(({ timestamp }) => timestamp);
  assert.ok(Math.max(...times) - Math.min(...times) > 400 * DAY, "the clock did jump");
  const followed: number[] = [];
  for await (const line of follower.lines()) {
    if (line.length > 0) followed.push(JSON.parse(new TextDecoder().decode(line)).seq);
    if (followed.length === at) break;
  }
  assert.deepEqual(followed, stored.map(({ seq }) => seq), "a follower sees all of it, in order");
  for (const { id, seq } of [stored[0], stored[15], stored[at - 1]]) {
    assert.equal((await daemon.http("GET", `/v1/topics/t/events/${id}`)).json.seq, seq);
  }
  await daemon.kill();
  await daemon.start();
  assert.deepEqual((await daemon.replay("t")).map(({ id }) => id), stored.map(({ id }) => id));
  await daemon.stop();
});

const BACKOFF = 1500;

/** Fails the first event of a topic once; returns the time at which it began to. */
async function failOnce(daemon: TestDaemon): Promise<number> {
  using client = new Client({ socket: daemon.socket });
  await daemon.publish("t", "n", 1);
  const backoff = { kind: "fixed", base: BACKOFF, max: BACKOFF, jitter: false };
  await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t", settings: { backoff } });
  const [lease] = (await client.lease("s", { max: 1 })).deliveries;
  // Before the reply, which may be late: the wait begins no earlier than this.
  const failedAt = performance.now();
  await client.nack("s", { deliveries: [{ lease: lease!.lease, error: "not now" }] });
  return failedAt;
}

/** The retry must come after its backoff from `since`, and what a busy machine takes. */
async function assertRetried(daemon: TestDaemon, since: number, what: string): Promise<void> {
  using client = new Client({ socket: daemon.socket });
  const { deliveries } = await client.lease("s", { max: 1, waitMs: LATEST });
  const waited = Math.round(performance.now() - since);
  assert.equal(deliveries.length, 1, `${what}: nothing after ${waited} ms`);
  assert.equal(deliveries[0]!.attempt, 2);
  assert.ok(waited < LATEST, `${what}: ${waited} ms`);
}

const STARTS = [
  { what: "a day behind from the start on", before: 0, after: -1, signal: "SIGTERM" },
  { what: "a day behind after a kill", before: 0, after: -1, signal: "SIGKILL" },
  { what: "a day ahead when it failed", before: 1, after: 0, signal: "SIGKILL" },
  { what: "a day behind when it failed", before: -1, after: 0, signal: "SIGTERM" },
  { what: "a day ahead from the start on", before: 0, after: 1, signal: "SIGTERM" },
] as const;

Deno.test("daemon puts no retry off by a day when its clock is a day off at a start", async () => {
  for (const { what, before, after, signal } of STARTS) {
    await Promise.all(STORES.map(async (store) => {
      const made = await daemonWithClock(store);
      await using daemon = made.daemon;
      await made.shift(before);
      await daemon.start();
      await failOnce(daemon);
      await daemon.kill(signal);
      await made.shift(after);
      await daemon.start();
      await assertRetried(daemon, performance.now(), `${what} (${store})`);
      await daemon.stop();
    }));
  }
});

Deno.test("daemon counts a retry's wait by time that passes when its clock jumps by a day", async () => {
  for (const days of [1, -1]) {
    await Promise.all(STORES.map(async (store) => {
      const made = await daemonWithClock(store);
      await using daemon = made.daemon;
      await daemon.start();
      const failedAt = await failOnce(daemon);
      await made.shift(days);
      await assertRetried(daemon, failedAt, `${days} days (${store})`);
      const waited = performance.now() - failedAt;
      assert.ok(waited > BACKOFF - 200, `${days} days hastened it to ${Math.round(waited)} ms`);
      await daemon.stop();
    }));
  }
});
