/**
 * Ten thousand dead letters with five causes, as operators see them: real handler output, with ids,
 * numbers, paths and times that differ from event to event.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { dose } from "../helpers/dose.ts";
import { evs, RunningEvs } from "../helpers/evs.ts";
import { heldInOneOf, type Series } from "../helpers/series.ts";
import { timeOf } from "../helpers/time_of.ts";

const EVENTS = 10_000;
const RATE = 100;
const SENT = dose(300, 2000);
/**
 * Causes, the most frequent first, each with what it is called and every how many events it
 * strikes.
 */
const CAUSES: [cause: string, reason: (n: number) => string][] = [
  [
    "exit code 1: curl: (7) Failed to connect to api.example.com port * after * ms: Connection refused",
    (n) =>
      `exit code 1: curl: (7) Failed to connect to api.example.com port ${8000 + n % 20} after ${
        n % 977
      } ms: Connection refused`,
  ],
  [
    "exit code 65: refused for good: jq: error (at <stdin>:*): Cannot index string with string *",
    (n) =>
      `exit code 65: refused for good: jq: error (at <stdin>:${n}): Cannot index string with string "total${n}"`,
  ],
  [
    'exit code 1: ERROR: duplicate key value violates unique constraint "orders_pkey" DETAIL: Key (id)=(*) already exists.',
    (n) =>
      `exit code 1: ERROR: duplicate key value violates unique constraint "orders_pkey" DETAIL: Key (id)=(${n}) already exists.`,
  ],
  [
    "exit code 2: ENOENT: no such file or directory, open '/var/spool/orders/*.json'",
    (n) => `exit code 2: ENOENT: no such file or directory, open '/var/spool/orders/${n}.json'`,
  ],
  ["timed out after * ms", (n) => `timed out after ${30_000 + n % 5} ms`],
];
/** 1 of 15 events dies of the last cause, 5 of 15 of the first. */
const causeOf = (n: number) => [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4][n % 15]!;

async function manyDead(): Promise<TestDaemon> {
  const at = await startDaemon();
  const lines = Array.from({ length: EVENTS }, (_, i) => `${i}\n`).join("");
  await evs(["publish", "orders", "order.placed", "--ndjson"], { at, stdin: lines });
  const made = await at.http("PUT", "/v1/subscriptions/billing", {
    topic: "orders",
    settings: { maxRetries: 0 },
  });
  assert.equal(made.status, 201, made.text);
  await settleAll(at, {
    subscription: "billing",
    judge: ({ seq }) => ({
      error: CAUSES[causeOf(seq)]![1](seq),
      stderr: `starting order ${seq}\n`.repeat(20),
    }),
  });
  return at;
}

/** `dlq groups` takes a second, or where a command that does little is slow, too, ten times that. */
async function foldsInTime(at: TestDaemon): Promise<Series> {
  const control = await timeOf(() => evs(["status"], { at }));
  const took = await timeOf(async () => {
    const { code, stderr } = await evs(["dlq", "groups"], { at });
    assert.equal(code, 0, stderr);
  });
  return {
    holds: took < Math.max(1000, 10 * control),
    figures: `${took} ms, and evs status ${control} ms`,
  };
}

Deno.test(`dlq groups folds ${EVENTS} dead letters into their five causes within a second`, async () => {
  await using at = await manyDead();
  await heldInOneOf(() => foldsInTime(at));
  const { code, stdout, stderr } = await evs(["dlq", "groups"], { at });
  assert.equal(code, 0, stderr);
  const groups = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const counts = CAUSES.map((_, cause) =>
    Array.from({ length: EVENTS }, (_, i) => causeOf(i + 1)).filter((one) => one === cause).length
  );
  assert.deepEqual(
    groups.map(({ reason, count }) => [reason, count]),
    CAUSES.map(([cause], i) => [cause, counts[i]]),
  );

  for (const [i, { reason }] of groups.entries()) {
    const dry = await evs(["dlq", "retry", "--reason", reason, "--dry-run"], { at });
    assert.deepEqual(JSON.parse(dry.stdout), {
      count: counts[i],
      dryRun: true,
      bySubscription: { billing: counts[i] },
    });
  }
  assert.equal((await at.http("GET", "/v1/subscriptions/billing")).json.dead, EVENTS);
  // There are 3333 of this cause, for all the series.
  let sent = SENT;
  await heldInOneOf(async () => {
    const series = await keepsRate(at, sent);
    sent = Math.min(SENT, 600);
    return series;
  });
});

/** `--rate` is kept within a tenth, as the daemon sees it. */
async function keepsRate(at: TestDaemon, sent: number): Promise<Series> {
  const before = (await at.http("GET", "/v1/subscriptions/billing")).json.dead;
  const gone: { at: number; count: number }[] = [];
  const retry = new RunningEvs(
    ["dlq", "retry", "--reason", "Failed to connect", "--rate", `${RATE}/s`],
    { at },
  );
  let count = 0;
  while (count < sent) {
    const { json } = await at.http("GET", "/v1/subscriptions/billing");
    if (before - json.dead === count) continue;
    count = before - json.dead;
    gone.push({ at: performance.now(), count });
  }
  retry.child.kill("SIGINT");
  await retry.end();
  const [first, last] = [gone[0]!, gone.at(-1)!];
  const rate = (last.count - first.count) / (last.at - first.at) * 1000;
  const control = await steadyRate(at);
  // A machine that is too busy for the rate is as slow here.
  const least = control > RATE * 0.95 ? RATE * 0.9 : control / 2;
  return {
    holds: rate >= least && rate <= RATE * 1.1,
    figures: `${rate} a second, ${control} without the command`,
  };
}

/** What this process reaches at the same pace: as many at a time, and never faster. */
async function steadyRate(at: TestDaemon): Promise<number> {
  using client = new Client({ socket: at.socket });
  const [size, times] = [RATE / 10, 20];
  const query = `reason=duplicate%20key&limit=${size * times}`;
  const { text } = await at.http("GET", `/v1/dead-letters?${query}`);
  const some: { id: string }[] = text.trim().split("\n").map((line) => JSON.parse(line));
  const began = performance.now();
  for (let due = began, n = 0; n < times; n++, due = Math.max(due + 100, performance.now())) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    const ids = some.slice(n * size, (n + 1) * size).map(({ id }) => `billing:${id}`);
    await client.retryDeadLetters({ reason: "duplicate key", ids });
  }
  return size * (times - 1) / (performance.now() - began) * 1000;
}
