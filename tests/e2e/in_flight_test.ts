/**
 * What a subscription has in flight is shown: who holds which event since when, and which retries
 * are waiting.
 */
import assert from "node:assert/strict";
import { factsOf } from "../../commands/subscription/shared.ts";
import { connect, EventBroker, type Subscription, type SubscriptionInfo } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

/** A handler that runs as long as its consumer does. */
const HANDLER = 'consumer=$PPID; while kill -0 "$consumer" 2>/dev/null; do sleep 0.05; done';

async function show(at: TestDaemon, name = "billing"): Promise<SubscriptionInfo> {
  const { code, stdout, stderr } = await evs(["subscription", "show", name], { at });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("subscription show names the event, the attempt and the process when a handler does not end", async () => {
  await using at = await startDaemon();
  await at.publish("orders", "placed", 1);
  await at.http("PUT", "/v1/subscriptions/billing", { topic: "orders" });
  const before = Date.now();
  const running = new RunningEvs(
    [
      "consume",
      "orders",
      "--name",
      "billing",
      "--",
      "sh",
      "-c",
      HANDLER,
    ],
    { at },
  );
  let info = await show(at);
  await until(async () => (info = await show(at)).inFlight?.some(({ begun }) => begun) ?? false);
  const [first] = info.inFlight!;
  assert.ok(first);
  assert.deepEqual(
    [first.topic, first.seq, first.type, first.attempt, first.delivery, first.unanswered],
    ["orders", 1, "placed", 1, 1, 0],
  );
  assert.equal(first.id, (await at.replay("orders"))[0].id);
  assert.ok(first.since >= before && first.since <= Date.now(), String(first.since));
  assert.ok(first.leaseMs! > 0 && first.expiresAt! >= first.since + first.leaseMs!);
  const { pid, host, command, connectedAt } = first.consumer!;
  assert.equal(pid, running.child.pid);
  assert.equal(host, Deno.hostname());
  assert.match(command!, /^sh -c/);
  assert.ok(connectedAt! >= before && connectedAt! <= first.since);
  assert.equal(info.inFlight!.length, info.leased);

  const facts = factsOf(info, first.since + 240_000);
  assert.match(
    (facts["in flight"] as string[])[0]!,
    new RegExp(
      `^orders 1, attempt 1, since 4m: pid ${pid} on ${host} ` +
        String.raw`\(connected 4m ago, no answer yet\), sh -c `,
    ),
  );
  // A kill -9 of consumer and handler is a delivery without an answer: the next one says so.
  running.child.kill("SIGKILL");
  await running.end();
  const again = async () => {
    const answer = await at.http("POST", "/v1/subscriptions/billing/lease", { max: 1 });
    return answer.json.deliveries.length > 0;
  };
  await until(again);
  const [held] = (await show(at)).inFlight!;
  assert.deepEqual([held!.delivery, held!.unanswered, held!.seq], [2, 1, 1]);
  assert.match(
    (factsOf(await show(at), held!.since)["in flight"] as string[])[0]!,
    /^orders 1, attempt 1, delivery 2 \(1 unanswered\), since now/,
  );
});

Deno.test("subscription show lists 100 leases and 10 retries at most, the oldest and the next, and both totals", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", ...Array.from({ length: 150 }, (_, i) => i));
  const path = "/v1/subscriptions/billing";
  await at.http("PUT", path, { topic: "t" });
  const { deliveries } = (await at.http("POST", `${path}/lease`, { max: 30 })).json;
  await at.http("POST", `${path}/nack`, {
    deliveries: deliveries.map(({ lease }: { lease: string }, i: number) => ({
      lease,
      error: `no ${i}`,
      afterMs: 3_600_000 - i * 60_000,
    })),
  });
  for (let i = 0; i < 4; i++) await at.http("POST", `${path}/lease`, { max: 30 });
  const info = await show(at);
  assert.deepEqual([info.leased, info.scheduled], [120, 30]);
  assert.deepEqual(
    info.inFlight!.map(({ seq }) => seq),
    Array.from({ length: 100 }, (_, i) => i + 31),
  );
  assert.deepEqual(
    info.retries!.map(({ seq, attempt }) => [seq, attempt]),
    Array.from({ length: 10 }, (_, i) => [30 - i, 2]),
  );
  const facts = factsOf(info, info.retries![0]!.dueAt - 240_000);
  assert.equal((facts["in flight"] as string[]).at(-1), "and 20 newer ones");
  const retries = facts["retries"] as string[];
  assert.match(retries[0]!, /^t 30, attempt 2 in 4m \(.*\): no 29$/);
  assert.equal(retries.length, 11);
  assert.equal(retries.at(-1), "and 20 later ones: evs subscription retries billing");
  // A list of all is short.
  const [listed] = (await at.http("GET", "/v1/subscriptions")).json.subscriptions;
  assert.deepEqual([listed.inFlight, listed.retries, listed.leased], [undefined, undefined, 120]);
});

async function assertOwnProcess(subscription: Subscription): Promise<void> {
  await subscription.ready;
  let info = await subscription.info();
  await until(async () => (info = await subscription.info()).leased > 0);
  const [held] = info.inFlight!;
  assert.deepEqual([held!.topic, held!.seq, held!.attempt], ["t", 1, 1]);
  assert.equal(held!.consumer!.pid, Deno.pid);
}

Deno.test("subscription.info names this process when its handler runs, in process and behind a socket", async () => {
  await using at = await startDaemon();
  for (const broker of [new EventBroker(), await connect({ socket: at.socket })]) {
    const { promise: end, resolve } = Promise.withResolvers<void>();
    const subscription = broker.subscribe("t", () => end, { name: "s" });
    await subscription.ready;
    await broker.publish("t", "x", 1);
    await assertOwnProcess(subscription);
    resolve();
    await broker.idle();
    assert.deepEqual((await subscription.info()).inFlight, []);
    await broker.close();
  }
});
