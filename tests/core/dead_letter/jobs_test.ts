/**
 * Jobs on dead letters: each step is one transaction with how far the job is, what came later is not
 * taken, and a job goes on in the next process.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import {
  CannotStoreError,
  ConflictError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../core/base/errors.ts";
import { turn } from "../../../core/base/in_turns.ts";
import { afterStep, jobInfo, newJob } from "../../../core/dead_letter/job_record.ts";
import type { DeadLetterJob } from "../../../core/protocol/dead_letter_jobs.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { until } from "../../helpers/evs.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

const NEVER = new AbortController().signal;

/** Events that are dead on the subscription. */
async function kill(broker: EventBroker, name: string, count: number): Promise<void> {
  const settings = { maxRetries: 0 };
  await broker.subscriptions.put(name, { topic: "t", from: "end", settings });
  await broker.publishBatch("t", Array.from({ length: count }, () => ({ type: "x", payload: 1 })));
  for (;;) {
    const { deliveries } = await broker.subscriptions.lease(name, { max: 500 }, { consumer: "c" });
    if (deliveries.length === 0) return;
    const failed = deliveries.map(({ token }) => ({ lease: token, error: "exit 1" }));
    await broker.subscriptions.nack(name, failed);
  }
}

const dead = async (broker: EventBroker, subscription: string) =>
  await broker.deadLetters.count({ subscription });

/** Lets timers of the clock run until the job has come so far. */
async function advance(
  broker: EventBroker,
  { clock, job, left }: { clock: FakeClock; job: string; left: number },
): Promise<DeadLetterJob> {
  await until(async () => {
    if ((await broker.deadLetters.jobs.show(job)).left <= left) return true;
    await clock.pass(100);
    return false;
  });
  return await broker.deadLetters.jobs.show(job);
}

Deno.test("a small job is done in one transaction, together with its start", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  await kill(broker, "s", 3);
  state.commits = [];
  const job = await broker.deadLetters.jobs.begin({ action: "retry", all: true });
  assert.deepEqual(
    state.commits.map((changes) => changes.map(({ op }) => op)),
    [["dead.retry", "job.put"]],
  );
  assert.equal(job.job, "retry-1");
  assert.deepEqual([job.state, job.total, job.done, job.left], ["done", 3, 3, 0]);
  assert.deepEqual([job.bySubscription, job.selection], [{ s: 3 }, { all: true }]);
  assert.deepEqual(await broker.deadLetters.jobs.show("retry-1"), job);
  assert.equal(await dead(broker, "s"), 0);
});

Deno.test("counts by subscription are numbers when a subscription is called like a property of objects", async () => {
  await using broker = new EventBroker({ state: new WatchedState() });
  const names = ["constructor", "toString", "__proto__"];
  for (const name of names) await kill(broker, name, 2);
  const counts = new Map(names.map((name) => [name, 2]));
  const tried = await broker.deadLetters.retry({ all: true, dryRun: true });
  assert.deepEqual(new Map(Object.entries(tried.bySubscription)), counts);
  const job = await broker.deadLetters.jobs.begin({ action: "remove", all: true });
  assert.deepEqual(new Map(Object.entries(job.bySubscription)), counts);
});

Deno.test("a job that matches nothing is not kept, and one of a wrong selection is refused as an act is", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  const { jobs } = broker.deadLetters;
  await kill(broker, "s", 0);
  state.commits = [];
  const none = await jobs.begin({ action: "remove", subscription: "s" });
  assert.deepEqual([none.state, none.total, state.commits], ["done", 0, []]);
  assert.deepEqual(await jobs.list(), []);
  await assert.rejects(jobs.begin({ action: "remove", subscription: "r" }), NotFoundError);
  await assert.rejects(jobs.begin({ action: "retry" }), InvalidArgumentError);
  assert.throws(() => jobs.show("retry-1"), NotFoundError);
  await assert.rejects(jobs.cancel("retry-1"), NotFoundError);
});

Deno.test("a job takes what was dead when it started, not what dies later, also under the same id", async () => {
  const clock = new FakeClock();
  await using broker = new EventBroker({ state: new WatchedState(), clock });
  await kill(broker, "s", 4);
  const { jobs } = broker.deadLetters;
  const job = await jobs.begin({ action: "retry", all: true, rate: "10/s" });
  assert.deepEqual([job.state, job.total], ["running", 4]);
  await advance(broker, { clock, job: job.job, left: 2 });
  // What was sent fails again, and others die.
  await kill(broker, "s", 3);
  const over = await advance(broker, { clock, job: job.job, left: 0 });
  assert.deepEqual([over.state, over.done, over.gone], ["done", 4, 0]);
  const again = (await broker.deadLetters.records({ subscription: "s" }, { limit: 100 })).records;
  assert.ok(again.length >= 5, `what failed again and what came later: ${again.length}`);
});

Deno.test("a job leaves alone what somebody retried since, and what died again under the same id", async () => {
  const clock = new FakeClock();
  await using broker = new EventBroker({ state: new WatchedState(), clock });
  await kill(broker, "s", 4);
  const { jobs } = broker.deadLetters;
  const { job } = await jobs.begin({ action: "remove", all: true, rate: "10/s" });
  // The newest is removed first: this one comes last.
  const [oldest] = (await broker.deadLetters.records({}, { limit: 1, oldest: true })).records;
  await broker.deadLetters.retry({ ids: [oldest!.id] });
  await kill(broker, "s", 0);
  const over = await advance(broker, { clock, job, left: 0 });
  assert.deepEqual([over.done, over.gone, over.failed], [3, 1, []]);
  assert.deepEqual((await broker.deadLetters.show(oldest!.id))[0]!.attempts.length, 2);
});

Deno.test("a job sends nothing that was redacted since it started, and says so", async () => {
  const clock = new FakeClock();
  await using broker = new EventBroker({ state: new WatchedState(), clock });
  await kill(broker, "s", 3);
  const { job } = await broker.deadLetters.jobs.begin({ action: "retry", all: true, rate: "10/s" });
  const [newest] = (await broker.deadLetters.records({}, { limit: 1 })).records;
  await broker.redact("t", newest!.id);
  const over = await advance(broker, { clock, job, left: 0 });
  assert.equal(over.done, 2);
  assert.deepEqual(over.failed, [{ reason: "redacted: nothing is left to deliver", count: 1 }]);
  assert.equal((await broker.subscriptions.info("s")).scheduled, 2);
});

Deno.test("a job goes on in the next process from the step that was last committed", async () => {
  const clock = new FakeClock();
  const state = new WatchedState();
  let name: string;
  {
    await using broker = new EventBroker({ state, clock });
    await kill(broker, "s", 6);
    name = (await broker.deadLetters.jobs.begin({ action: "remove", all: true, rate: "10/s" })).job;
    await advance(broker, { clock, job: name, left: 3 });
  }
  const before = state.load().jobs[0]!;
  assert.equal(before.state, "running");
  await using broker = new EventBroker({ state, clock });
  assert.equal((await broker.deadLetters.jobs.show(name)).done, before.done);
  const over = await advance(broker, { clock, job: name, left: 0 });
  assert.deepEqual([over.state, over.done, over.gone, await dead(broker, "s")], ["done", 6, 0, 0]);
  assert.equal(state.jobPart(1, 0), undefined, "its list is deleted");
  const next = await broker.deadLetters.jobs.begin({ action: "remove", all: true });
  assert.equal(next.total, 0);
});

Deno.test("a job keeps to its rate over a restart", async () => {
  const clock = new FakeClock();
  const state = new WatchedState();
  let name: string;
  const open = () => new EventBroker({ state, clock });
  {
    await using broker = open();
    await kill(broker, "s", 4);
    name = (await broker.deadLetters.jobs.begin({ action: "remove", all: true, rate: "1/m" })).job;
    await advance(broker, { clock, job: name, left: 3 });
  }
  for (let n = 0; n < 5; n++) {
    await using broker = open();
    await broker.ready;
    await clock.pass(1000);
    for (let turns = 0; turns < 10; turns++) await turn();
    assert.equal((await broker.deadLetters.jobs.show(name)).left, 3, `start ${n}`);
  }
  // The clock is set back by a day: it waits for as long as a step takes, and no longer.
  clock.jump(-24 * 3_600_000);
  await using broker = open();
  const began = clock.monotonic();
  await advance(broker, { clock, job: name, left: 2 });
  assert.ok(clock.monotonic() - began <= 61_000);
});

Deno.test("a job whose list was not complete when the process ended never begins", async () => {
  const state = new WatchedState();
  {
    await using broker = new EventBroker({ state });
    await kill(broker, "s", 1);
  }
  const record = newJob({ action: "remove", all: true }, {
    number: 7,
    bound: 1,
    total: 1,
    startedAt: 0,
  });
  await state.commit([
    { op: "job.put", record: { ...record, isListed: false } },
    { op: "job.part", job: 7, part: 0, entries: [["s", "t", "x"]] },
  ]);
  await using broker = new EventBroker({ state });
  await until(() => state.load().jobs.length === 0);
  assert.equal(state.jobPart(7, 0), undefined);
  assert.deepEqual([await broker.deadLetters.jobs.list(), await dead(broker, "s")], [[], 1]);
});

Deno.test("a job never begins when the process ends while its list is being stored", async () => {
  const state = new WatchedState();
  {
    await using broker = new EventBroker({ state });
    await kill(broker, "s", 1001);
    const commit = state.commit.bind(state);
    const parts: string[] = [];
    state.commit = (changes) => {
      parts.push(...changes.map(({ op }) => op));
      // The second part is not stored any more.
      return parts.length > 2 ? Promise.reject(new CannotStoreError("the end")) : commit(changes);
    };
    const beginning = broker.deadLetters.jobs.begin({ action: "remove", all: true });
    await assert.rejects(beginning, CannotStoreError);
    assert.deepEqual(parts, ["job.put", "job.part", "job.part"]);
    state.commit = commit;
    assert.deepEqual(state.load().jobs.map(({ isListed }) => isListed), [false]);
  }
  await using broker = new EventBroker({ state });
  await until(() => state.load().jobs.length === 0);
  assert.deepEqual([await broker.deadLetters.jobs.list(), await dead(broker, "s")], [[], 1001]);
});

Deno.test("a job waits while the disk is full, says so, and goes on by itself", async () => {
  const clock = new FakeClock();
  const state = new WatchedState();
  await using broker = new EventBroker({ state, clock });
  await kill(broker, "s", 3);
  const { jobs } = broker.deadLetters;
  const { job } = await jobs.begin({ action: "retry", all: true, rate: "10/s" });
  await advance(broker, { clock, job, left: 2 });
  state.refuses = true;
  await until(async () => {
    await clock.pass(100);
    return (await jobs.show(job)).waiting !== undefined;
  });
  assert.equal((await jobs.show(job)).waiting, "the disk is full");
  await assert.rejects(jobs.cancel(job), { code: "store/unavailable" });
  state.refuses = false;
  const over = await advance(broker, { clock, job, left: 0 });
  assert.deepEqual([over.state, over.done, over.waiting], ["done", 3, undefined]);
});

Deno.test("a job says of which it could not do, and why, when a subscription is removed meanwhile", async () => {
  const clock = new FakeClock();
  await using broker = new EventBroker({ state: new WatchedState(), clock });
  await kill(broker, "a", 2);
  await kill(broker, "b", 2);
  const before = await dead(broker, "a");
  const { job } = await broker.deadLetters.jobs.begin({ action: "retry", all: true, rate: "10/s" });
  await broker.subscriptions.remove("b");
  const { done, failed, bySubscription } = await advance(broker, { clock, job, left: 0 });
  assert.deepEqual([done, bySubscription], [before, { a: before }]);
  assert.deepEqual(failed, [{ reason: "the subscription b is gone", count: 2 }]);
  assert.equal(await dead(broker, "b"), 2, "they stay");
});

Deno.test("a cancelled job leaves the rest, and one that has ended cannot be cancelled", async () => {
  const clock = new FakeClock();
  await using broker = new EventBroker({ state: new WatchedState(), clock });
  await kill(broker, "s", 5);
  const { jobs } = broker.deadLetters;
  const { job } = await jobs.begin({ action: "remove", subscription: "s", rate: "10/s" });
  await advance(broker, { clock, job, left: 3 });
  const waited = jobs.ended(job, { waitMs: 60_000, signal: NEVER });
  const [over, same] = await Promise.all([jobs.cancel(job), jobs.cancel(job)]);
  assert.deepEqual([over.state, over.done + over.left, same], ["cancelled", 5, over]);
  assert.deepEqual(await waited, over, "whoever waits for its end is told");
  assert.equal(await dead(broker, "s"), over.left);
  await assert.rejects(jobs.cancel(job), ConflictError);
});

Deno.test("a job rests when its cancelling fails while the jobs are closed, and the next process goes on with it", async () => {
  const clock = new FakeClock();
  const state = new WatchedState();
  let name: string;
  let left: number;
  {
    await using broker = new EventBroker({ state, clock });
    await kill(broker, "s", 5);
    const { jobs } = broker.deadLetters;
    name = (await jobs.begin({ action: "remove", all: true, rate: "10/s" })).job;
    left = (await advance(broker, { clock, job: name, left: 3 })).left;
    const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const commit = state.commit.bind(state);
    state.commit = () => (asked.resolve(), answered.promise);
    const cancelling = jobs.cancel(name);
    await asked.promise;
    state.commit = commit;
    await jobs.close();
    answered.reject(new CannotStoreError("it is being closed"));
    await assert.rejects(cancelling, /it is being closed/);
    state.commits = [];
    for (let n = 0; n < 10; n++) {
      await clock.pass(1000);
      await turn(); // as a step begins
    }
    assert.deepEqual([state.commits, (await jobs.show(name)).left], [[], left]);
  }
  await using broker = new EventBroker({ state, clock });
  const over = await advance(broker, { clock, job: name, left: 0 });
  assert.deepEqual([over.state, over.done], ["done", 5]);
});

Deno.test("the last hundred jobs that ended are kept", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  for (let n = 0; n < 103; n++) {
    await kill(broker, "s", 1);
    await broker.deadLetters.jobs.begin({ action: "remove", all: true });
  }
  const names = (await broker.deadLetters.jobs.list()).map(({ job }) => job);
  assert.deepEqual([names.length, names[0], names.at(-1)], [100, "remove-103", "remove-4"]);
  assert.equal(state.load().jobs.length, 100);
});

Deno.test("a job of several parts goes through all of them, and says nothing of a key or a reason", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  await kill(broker, "s", 2500);
  const { jobs } = broker.deadLetters;
  const { job } = await jobs.begin({ action: "retry", reason: "exit 1" });
  const over = await jobs.ended(job, { waitMs: 60_000, signal: NEVER });
  assert.deepEqual([over.state, over.done, over.selection], ["done", 2500, { reason: true }]);
  assert.equal((await broker.subscriptions.info("s")).scheduled, 2500);
  assert.ok(!JSON.stringify(state.load().jobs).includes("exit 1"));
});

Deno.test("what a job has done, missed, failed and left always adds up to its total", () => {
  const step = fc.record({ done: fc.nat(5), gone: fc.nat(5), failed: fc.array(fc.nat(40)) });
  fc.assert(fc.property(fc.array(step, { minLength: 1 }), (steps) => {
    const of = { subscription: "s", topic: "t", id: "i", seq: 1, type: "x" };
    const taken = { ...of, nextAttempt: 2, size: 1 };
    const through = steps.map(({ done, gone, failed }) => done + gone + failed.length);
    const total = through.reduce((sum, one) => sum + one, 1);
    const about = { number: 1, bound: 9, total, startedAt: 0 };
    let record = newJob({ action: "retry", all: true }, about);
    for (const [i, { done, failed }] of steps.entries()) {
      record = afterStep(record, {
        through: through[i]!,
        done: Array.from({ length: done }, () => taken),
        failed: failed.map((n) => `reason ${n}`),
        now: 5,
      });
      const info = jobInfo(record);
      const missed = info.failed.reduce((sum, { count }) => sum + count, 0);
      assert.equal(info.done + info.gone + missed + info.left, total);
      assert.ok(info.failed.length <= 21 && info.state === "running");
    }
    const last = afterStep(record, { through: 1, done: [taken], failed: [], now: 7 });
    assert.deepEqual([last.state, last.endedAt], ["done", 7]);
  }));
});
