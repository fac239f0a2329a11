/** `GET /v1/overview` tells in one request what a screen shows. */
import assert from "node:assert/strict";
import type { OverviewReply } from "../../../core/protocol/overview.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";

const HOUR = 3_600_000;

async function overview(daemon: TestDaemon, query = ""): Promise<OverviewReply> {
  const answer = await daemon.http("GET", `/v1/overview${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

async function post(daemon: TestDaemon, path: string, body: unknown) {
  const answer = await daemon.http("POST", path, body);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

/** `late` has 3 events, one of them leased and one that waits for a retry; `idle` has none. */
async function fill(daemon: TestDaemon): Promise<{ lease: string }> {
  for (const [name, topic] of [["late", "orders"], ["idle", "users"], ["zero", "orders.eu"]]) {
    const backoff = { kind: "fixed", base: HOUR, max: HOUR, jitter: false };
    const request = { topic, settings: { backoff } };
    const answer = await daemon.http("PUT", `/v1/subscriptions/${name}`, request);
    assert.equal(answer.status, 201, answer.text);
  }
  await daemon.publish("orders", "placed", 1, 2, 3);
  const lease = async () => {
    const body = { max: 1, leaseMs: 60_000, consumer: { id: "c:1", pid: 4711, command: "./bill" } };
    const reply = await post(daemon, "/v1/subscriptions/late/lease", body);
    return reply.deliveries[0].lease;
  };
  const failed = { deliveries: [{ lease: await lease(), error: "no card" }] };
  await post(daemon, "/v1/subscriptions/late/nack", failed);
  return { lease: await lease() };
}

Deno.test("overview tells of each subscription what it has, its oldest lease and its next retry", async () => {
  await using daemon = await startDaemon();
  await fill(daemon);
  const { at, status, disk, stored, settled, total, subscriptions } = await overview(daemon);
  assert.deepEqual(subscriptions.map(({ name }) => name), ["idle", "late", "zero"]);
  assert.equal(total, 3);
  assert.equal(stored, 3);
  assert.deepEqual(settled, { acknowledged: 0, failed: 1, dead: 0 });
  assert.ok(disk!.free > 0 && disk!.size >= disk!.free);
  assert.equal(status.pid, daemon.pid);
  assert.equal(status.scheduled, 1);
  const late = subscriptions[1]!;
  assert.deepEqual([late.pending, late.leased, late.scheduled, late.dead], [1, 1, 1, 0]);
  assert.deepEqual(late.settled, { acknowledged: 0, failed: 1, dead: 0 });
  assert.ok(late.oldestPendingAt! <= at);
  const { topic, seq, attempt, consumer } = late.oldestLease!;
  assert.deepEqual({ topic, seq, attempt }, { topic: "orders", seq: 2, attempt: 1 });
  assert.deepEqual([consumer!.pid, consumer!.command], [4711, "./bill"]);
  assert.equal(late.nextRetry!.seq, 1);
  assert.equal(late.nextRetry!.attempt, 2);
  assert.ok(late.nextRetry!.dueAt > at + HOUR / 2);
  assert.equal(late.nextRetry!.reason, undefined);
  assert.equal(subscriptions[0]!.oldestLease, undefined);
  assert.equal(subscriptions[0]!.nextRetry, undefined);
});

Deno.test("overview sorts, filters and limits what it lists, and says how many there are", async () => {
  await using daemon = await startDaemon();
  await fill(daemon);
  const names = async (query: string) => {
    const { total, subscriptions } = await overview(daemon, query);
    return [total, ...subscriptions.map(({ name }) => name)];
  };
  for (const sort of ["lag", "age", "leased", "retries", "failed"]) {
    assert.deepEqual(await names(`?sort=${sort}`), [3, "late", "idle", "zero"], sort);
  }
  assert.deepEqual(await names("?sort=name"), [3, "idle", "late", "zero"]);
  assert.deepEqual(await names("?limit=1&sort=lag"), [3, "late"]);
  assert.deepEqual(await names("?limit=0"), [3]);
  assert.deepEqual(await names("?filter=ORDERS"), [2, "late", "zero"], "by topic");
  assert.deepEqual(await names("?filter=Idl"), [1, "idle"], "by name");
  assert.deepEqual(await names("?filter=nothing"), [0]);
});

Deno.test("overview counts what was stored in a topic that is gone", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("gone", "t", 1, 2);
  await daemon.publish("there", "t", 1);
  assert.equal((await daemon.http("DELETE", "/v1/topics/gone")).status, 200);
  assert.equal((await overview(daemon)).stored, 3);
});
