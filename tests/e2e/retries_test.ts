/**
 * Retries that wait are listed with their reasons, and a person makes them due: at once, and
 * through a kill of the daemon.
 */
import assert from "node:assert/strict";
import type { RetriesReply } from "../../core/protocol/in_flight.ts";
import { connect, EventBroker, InvalidArgumentError, NotFoundError } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, type EvsResult, until } from "../helpers/evs.ts";
import { STORES } from "../helpers/stores.ts";

type Row = RetriesReply["retries"][number];
const HOUR = 3_600_000;
const path = "/v1/subscriptions/billing";

async function retries(at: TestDaemon, ...args: string[]): Promise<EvsResult> {
  return await evs(["subscription", "retries", "billing", ...args], { at });
}

async function list(at: TestDaemon, ...args: string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await retries(at, ...args);
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Publishes events that all wait for an hour and more, the last one least. */
async function failAll(at: TestDaemon, count: number): Promise<void> {
  await at.publish("orders", "placed", ...Array.from({ length: count }, (_, i) => i));
  await at.http("PUT", path, { topic: "orders" });
  const { deliveries } = (await at.http("POST", `${path}/lease`, { max: count })).json;
  assert.equal(deliveries.length, count);
  await at.http("POST", `${path}/nack`, {
    deliveries: deliveries.map(({ lease }: { lease: string }, i: number) => ({
      lease,
      error: `no ${i}\nsecond line`,
      afterMs: HOUR + (count - i) * 1000,
    })),
  });
}

async function leased(at: TestDaemon, waitMs = 0): Promise<{ seq: number; attempt: number }[]> {
  const order = { max: 1000, waitMs, leaseMs: 10 * 60_000 };
  const { deliveries } = (await at.http("POST", `${path}/lease`, order)).json;
  return deliveries.map((one: { event: { seq: number }; attempt: number }) => ({
    seq: one.event.seq,
    attempt: one.attempt,
  }));
}

Deno.test("subscription retries lists all pages by when they are due, with the first line of the reason", async () => {
  await using at = await startDaemon();
  const before = Date.now();
  await failAll(at, 230);
  const rows = await list(at);
  assert.deepEqual(rows.map(({ seq }) => seq), Array.from({ length: 230 }, (_, i) => 230 - i));
  const [first] = rows;
  assert.deepEqual(
    [first!.topic, first!.type, first!.attempt, first!.reason],
    ["orders", "placed", 2, "no 229"],
  );
  assert.ok(first!.dueAt >= before + HOUR && first!.dueAt <= Date.now() + HOUR + 1000);
  const two = await list(at, rows[200]!.id, rows[3]!.id);
  assert.deepEqual(two.map(({ seq }) => seq), [227, 30]);
  const { json } = await at.http("GET", `${path}/retries?limit=2`);
  assert.deepEqual([json.retries.length, json.total], [2, 230]);
});

Deno.test("subscription retries names the ids of which no retry waits, and does nothing then", async () => {
  await using at = await startDaemon();
  await failAll(at, 2);
  const [first] = await list(at);
  for (const args of [["nobody"], ["--now", "nobody", first!.id, "me"]]) {
    const { code, stdout, stderr } = await retries(at, ...args);
    assert.deepEqual([code, stdout], [1, ""]);
    const named = args.length === 1 ? "nobody" : "nobody, me";
    assert.match(stderr, new RegExp(`no retry of ${named} waits for billing`));
    assert.match(stderr, /\n.*evs subscription retries billing/);
  }
  assert.deepEqual(await leased(at), []);
  const { json } = await at.http("POST", `${path}/retries/now`, { ids: ["nobody"] });
  assert.deepEqual(
    [json.error.code, json.error.details],
    ["retry/not-found", { subscription: "billing", ids: ["nobody"] }],
  );
  const unknown = await evs(["subscription", "retries", "biling", "--now"], { at });
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /did you mean billing/);
});

Deno.test("subscription retries says so when none waits, and when its subscription is paused", async () => {
  await using at = await startDaemon();
  await at.http("PUT", path, { topic: "orders" });
  const none = await retries(at, "--verbose");
  assert.deepEqual(
    [none.code, none.stdout, none.stderr],
    [0, "", "no retries wait for billing\n"],
  );
  const now = await retries(at, "--now");
  assert.deepEqual([now.code, now.stdout], [0, '{"count":0}\n']);
  await failAll(at, 1);
  await at.http("POST", `${path}/pause`, {});
  assert.deepEqual((await retries(at, "--now")).stdout, '{"count":1}\n');
  assert.deepEqual(await leased(at), []);
  await at.http("POST", `${path}/resume`);
  assert.deepEqual(await leased(at), [{ seq: 1, attempt: 2 }]);
});

for (const store of [...STORES, "memory"]) {
  Deno.test(`subscription retries --now makes those that are named due, then all, through a kill of the daemon with the ${store} store`, async () => {
    await using at = await startDaemon({ store });
    await failAll(at, 5);
    assert.deepEqual(await leased(at), []);
    const [first, second] = await list(at);
    assert.equal((await retries(at, "--now", first!.id)).stdout, '{"count":1}\n');
    await at.kill();
    await at.start();
    assert.deepEqual(await list(at, second!.id).then((rows) => rows.map(({ seq }) => seq)), [4]);
    assert.deepEqual(await leased(at), [{ seq: first!.seq, attempt: 2 }]);
    // A consumer that waits already is given them at once.
    const waiting = leased(at, 60_000);
    assert.equal((await retries(at, "--now")).stdout, '{"count":4}\n');
    assert.deepEqual((await waiting).map(({ seq }) => seq).sort(), [1, 2, 3, 4]);
    assert.deepEqual(await list(at), []);
  });
}

Deno.test("subscription.retries and retryNow list and make due in process, without a name, and behind a socket", async () => {
  await using at = await startDaemon();
  for (const [where, name] of [["here", "s"], ["here", undefined], ["there", "s"]] as const) {
    await using broker = where === "here"
      ? new EventBroker()
      : await connect({ socket: at.socket });
    const attempts: number[] = [];
    const subscription = broker.subscribe("t", (_event, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error("not yet");
    }, { name, retryDelay: HOUR });
    await subscription.ready;
    const { id } = await broker.publish("t", "x", 1);
    await until(async () => (await subscription.info()).scheduled === 1);
    const { retries, total, next } = await subscription.retries({ limit: 1 });
    assert.deepEqual([retries[0]!.id, retries[0]!.attempt, total, next], [id, 2, 1, undefined]);
    assert.match(retries[0]!.reason!, /not yet/);
    await assert.rejects(async () => await subscription.retryNow({ ids: ["nobody"] }), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.code, "retry/not-found");
      return true;
    });
    for (const page of [{ limit: 0 }, { limit: 101 }, { after: "x" }, { afer: "x" }]) {
      await assert.rejects(
        async () => await subscription.retries(page),
        InvalidArgumentError,
        JSON.stringify(page),
      );
    }
    assert.deepEqual(await subscription.retryNow({ ids: [] }), { count: 0 });
    assert.deepEqual(await subscription.retryNow({ ids: [id] }), { count: 1 });
    await until(() => attempts.length === 2);
    assert.deepEqual(attempts, [1, 2]);
    await broker.idle();
    assert.deepEqual(await subscription.retries(), { retries: [], total: 0 });
  }
});
