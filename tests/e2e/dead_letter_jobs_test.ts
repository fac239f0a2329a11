/**
 * `evs dlq jobs`: acts on many dead letters go on without their client, and through SIGKILLs of the
 * daemon, without doing anything twice or leaving anything out.
 */
import assert from "node:assert/strict";
import type { DeadLetterJob } from "../../core/protocol/dead_letter_jobs.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { dose } from "../helpers/dose.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

/** Kills of each action, as long as it has not ended; together a tenth of the floor. */
const KILLS = dose(10);
/** Steps of a job at this rate take 0.1 s. */
const RATE = "200/s";
const PER_STEP = 20;

async function makeDead(at: TestDaemon, count: number): Promise<void> {
  const settings = { maxRetries: 0 };
  const made = await at.http("PUT", "/v1/subscriptions/s", { topic: "t", settings });
  assert.ok(made.status < 300, made.text);
  await at.publish("t", "x", ...Array.from({ length: count }, (_, n) => n));
  await settleAll(at, { subscription: "s", judge: () => ({ error: "down" }) });
}

async function jobOf(at: TestDaemon, name: string, query = ""): Promise<DeadLetterJob> {
  const { status, text, json } = await at.http("GET", `/v1/dead-letter-jobs/${name}${query}`);
  assert.equal(status, 200, text);
  return json;
}

async function start(at: TestDaemon, request: unknown): Promise<DeadLetterJob> {
  const { status, text, json } = await at.http("POST", "/v1/dead-letter-jobs", request);
  assert.equal(status, 201, text);
  return json;
}

for (const action of ["retry", "remove"]) {
  Deno.test(`a ${action} job does each dead letter once through up to ${KILLS} kills`, async () => {
    await using at = await startDaemon();
    const total = (KILLS + 2) * 3 * PER_STEP;
    await makeDead(at, total);
    const { job } = await start(at, { action, all: true, rate: RATE });
    let left = total;
    // On a slow machine more steps come between two kills, and the job may end before the last.
    for (let kill = 0; kill < KILLS && left > 0; kill++) {
      await until(async () => (await jobOf(at, job)).left < left);
      ({ left } = await jobOf(at, job));
      // Any moment of the next step.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      await at.kill();
      await at.start();
    }
    await until(async () => (await jobOf(at, job, "?waitMs=1000")).state === "done");
    const over = await jobOf(at, job);
    assert.deepEqual([over.done, over.gone, over.failed, over.left], [total, 0, [], 0]);
    const { json: info } = await at.http("GET", "/v1/subscriptions/s");
    assert.deepEqual([info.dead, info.scheduled], [0, action === "retry" ? total : 0]);
    const seqs: number[] = [];
    await settleAll(at, {
      subscription: "s",
      judge({ seq }) {
        seqs.push(seq);
        return "done";
      },
    });
    const expected = Array.from({ length: action === "retry" ? total : 0 }, (_, n) => n + 1);
    assert.deepEqual(seqs.sort((a, b) => a - b), expected);
    await at.stop();
  });
}

Deno.test("dlq retry --detach starts a job that jobs list, show and cancel know", async () => {
  await using at = await startDaemon();
  await makeDead(at, 50);
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await evs(["dlq", ...args], { at });
    return { code, stderr, json: stdout === "" ? undefined : JSON.parse(stdout) };
  };
  const started = await run("retry", "--all", "--rate", "1/m", "--detach");
  assert.deepEqual([started.code, started.json.job, started.json.total], [0, "retry-1", 50]);
  const listed = await run("jobs", "list");
  assert.deepEqual([listed.json.job, listed.json.state], ["retry-1", "running"]);
  const shown = await run("jobs", "show", "retry-1");
  assert.deepEqual([shown.json.rate, shown.json.selection], ["1/m", { all: true }]);
  const cancelled = await run("jobs", "cancel", "retry-1");
  assert.equal(cancelled.json.state, "cancelled", cancelled.stderr);
  const again = await run("jobs", "cancel", "retry-1");
  assert.deepEqual([again.code, again.json], [3, undefined]);
  assert.match(again.stderr, /has ended: it is cancelled/);
  const none = await run("jobs", "show", "retry-9");
  assert.deepEqual([none.code, /there is no job retry-9/.test(none.stderr)], [1, true]);
  // Who follows it learns that it was cancelled.
  const followed = await run("jobs", "show", "retry-1", "--follow");
  assert.equal(followed.json.state, "cancelled");
});

Deno.test("dlq retry --rate follows its job through a restart of the daemon, and prints what was done", async () => {
  await using at = await startDaemon();
  await makeDead(at, 60);
  const running = new RunningEvs(["dlq", "retry", "--all", "--rate", "100/s"], { at });
  await until(async () => {
    const { json } = await at.http("GET", "/v1/dead-letter-jobs");
    return json.jobs[0]?.done > 0;
  });
  await at.kill();
  await at.start();
  const { code } = await running.end();
  assert.equal(code, 0, running.stderr);
  assert.deepEqual(JSON.parse(running.stdout), {
    count: 60,
    dryRun: false,
    bySubscription: { s: 60 },
    job: "retry-1",
  });
  assert.equal((await at.http("GET", "/v1/subscriptions/s")).json.dead, 0);
});

Deno.test("Ctrl-C stops looking at a job, says that it goes on, and how to end it", async () => {
  await using at = await startDaemon();
  await makeDead(at, 3);
  const args = ["dlq", "retry", "--all", "--rate", "1/m", "--verbose"];
  const running = new RunningEvs(args, { at });
  await running.said(/retry-1: 3 dead letters/);
  running.child.kill("SIGINT");
  assert.equal((await running.end()).code, 130);
  assert.match(running.stderr, /retry-1 goes on in the daemon.*evs dlq jobs cancel retry-1/);
  assert.equal((await jobOf(at, "retry-1")).state, "running");
});

Deno.test("dlq purge and remove by filter are jobs, and say which of their dead letters are gone", async () => {
  await using at = await startDaemon();
  await makeDead(at, 4);
  const removed = await evs(["dlq", "remove", "--subscription", "s", "--yes"], { at });
  const { job, count } = JSON.parse(removed.stdout);
  assert.deepEqual([removed.code, count, job], [0, 4, "remove-1"], removed.stderr);
  const nothing = await evs(["dlq", "purge", "--yes"], { at });
  assert.deepEqual([nothing.code, JSON.parse(nothing.stdout).count], [0, 0]);
  const wrong = await at.http("POST", "/v1/dead-letter-jobs", {
    action: "remove",
    all: true,
    to: "s",
  });
  assert.deepEqual([wrong.status, wrong.json.error.code], [400, "argument/invalid"]);
});
