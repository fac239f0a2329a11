/**
 * Jobs on dead letters where several nodes share the state: what each act on a job finds in its
 * transaction is what holds, whoever runs it. Who runs which job is said by a test here; by a
 * database it is in tests/system/postgres/jobs_test.ts.
 */
import assert from "node:assert/strict";
import { CannotStoreError, NotFoundError } from "../../../core/base/errors.ts";
import { turn } from "../../../core/base/in_turns.ts";
import { newJob } from "../../../core/dead_letter/job_record.ts";
import type { JobsContext } from "../../../core/dead_letter/jobs.ts";
import { redeliveryOf } from "../../../core/delivery/redeliver.ts";
import { SharedDeadLetterJobs } from "../../../core/dead_letter/shared_jobs.ts";
import { inKeyOrder } from "../../../core/dead_letter/order.ts";
import type {
  DeadLetterJob,
  DeadLetterJobRequest,
} from "../../../core/protocol/dead_letter_jobs.ts";
import type { DeadLetterRecord, StateChange } from "../../../core/state/state.ts";
import { EventBroker } from "../../../mod.ts";
import { ActingState } from "../../helpers/acting_state.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const NEVER = new AbortController().signal;
const FAR = 10 ** 9;

/** One node: its jobs, and what its process was told. */
interface Node {
  jobs: SharedDeadLetterJobs;
  ended: DeadLetterJob[];
  errors: string[];
}

/** Nodes on one state with so many dead letters of `s`. */
class Nodes implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly state: ActingState = new ActingState({ clock: this.clock, lastSeqOf: () => FAR });
  readonly broker = new EventBroker();
  readonly all: Node[] = [];
  redacted: (record: DeadLetterRecord) => boolean = () => false;

  static async with(count: number): Promise<Nodes> {
    const nodes = new Nodes();
    await nodes.broker.subscriptions.put("s", { topic: "t" });
    const [driver] = nodes.broker.subscriptions.all();
    await nodes.state.commit([{ op: "subscription.put", record: driver!.record }]);
    await nodes.state.commit(
      Array.from({ length: count }, (_, n) => ({ op: "dead.put", record: deadLetter(n + 1) })),
    );
    return nodes;
  }

  async node(name: string): Promise<Node> {
    const state = this.state.asNode(name);
    const [ended, errors]: [DeadLetterJob[], string[]] = [[], []];
    const find = async (
      { subscription, topic, type, since, before, ids, upTo }: Record<string, unknown>,
    ) => {
      const filter = { subscription, topic, type, since, before, ids, upTo } as never;
      const { records } = await state.deadLetters(filter, { limit: FAR });
      return inKeyOrder(records.map(redeliveryOf));
    };
    const context: JobsContext = {
      state,
      subscriptions: this.broker.subscriptions,
      clock: this.clock,
      deadLetters: {
        toRetry: find as never,
        toRemove: find as never,
        isRedacted: (record) => this.redacted(record),
      },
      shared: { refresh: () => Promise.resolve() },
      onError: (error, where) => void errors.push(`${where}: ${error}`),
    };
    const jobs = new SharedDeadLetterJobs(context, state.shared!.jobs);
    jobs.host({ makeRoom: (work) => work(), ended: (job) => void ended.push(job) });
    await jobs.start();
    const node = { jobs, ended, errors };
    this.all.push(node);
    return node;
  }

  /** Lets the job come so far; what is left then. */
  async come(node: Node, job: string, left: number): Promise<DeadLetterJob> {
    for (let tries = 0;; tries++) {
      const seen = await node.jobs.show(job);
      if (seen.left <= left) return seen;
      assert.ok(tries < 2000, `it does not come to ${left}, but stays at ${seen.left}`);
      await this.pass(50);
    }
  }

  /** Lets time pass, and what has begun by then come to its end. */
  async pass(ms: number): Promise<void> {
    await settle();
    await this.clock.pass(ms);
    await settle();
  }

  get left(): number {
    return this.state.countDeadLetters({});
  }

  /** How often each dead letter was taken by an act. */
  taken(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { changes } of this.state.acts) {
      for (const id of changes.flatMap(idsOf)) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { jobs } of this.all) await jobs.close();
    await this.broker.close();
  }
}

function idsOf(change: StateChange): string[] {
  if (change.op === "dead.retry") return change.ids;
  return change.op === "dead.remove" ? [change.id] : [];
}

function deadLetter(seq: number): DeadLetterRecord {
  const about = { subscription: "s", topic: "t", id: `e${seq}`, seq, type: "x" };
  return { ...about, reason: "no", diedAt: 1, attempts: [], line: new Uint8Array([1]) };
}

const ALL: DeadLetterJobRequest = { action: "remove", all: true };
const SLOW: DeadLetterJobRequest = { ...ALL, rate: "10/s" };
const last = <T>(list: readonly T[]) => list.at(-1)!;

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await turn();
}

Deno.test("SharedDeadLetterJobs does a small job in one transaction, with a number that the state gives", async () => {
  await using nodes = await Nodes.with(5);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const one = await a.jobs.begin({ action: "retry", ids: ["e1", "e2"] });
  const two = await b.jobs.begin({ ...ALL, action: "remove" });
  assert.deepEqual([one.job, one.state, one.done], ["retry-1", "done", 2]);
  assert.deepEqual([two.job, two.state, two.done], ["remove-2", "done", 3]);
  assert.deepEqual(nodes.state.acts.map(({ changes }) => last(changes).op), ["job.put", "job.put"]);
  assert.deepEqual(await a.jobs.list(), [two, one], "each is shown by any");
  assert.deepEqual([a.ended, b.ended], [[one], [two]], "and told where it ended");
  await assert.rejects(b.jobs.show("retry-7"), NotFoundError);
  await assert.rejects(b.jobs.cancel("retry-7"), NotFoundError);
});

Deno.test("SharedDeadLetterJobs shows, waits for and cancels on one node what another one runs", async () => {
  await using nodes = await Nodes.with(20);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const { job } = await a.jobs.begin(SLOW);
  await nodes.come(b, job, 15);
  assert.deepEqual((await b.jobs.list()).map(({ state }) => state), ["running"]);
  const waited = b.jobs.ended(job, { waitMs: FAR, signal: NEVER });
  const over = await b.jobs.cancel(job);
  assert.deepEqual([over.state, over.left > 0], ["cancelled", true]);
  assert.deepEqual(await waited, over);
  await nodes.pass(5000);
  assert.equal(nodes.left, over.left, "nothing more is done");
  assert.deepEqual([a.errors, a.ended, b.ended], [[], [], [over]]);
  await assert.rejects(a.jobs.cancel(job), { code: "dead-letter-job/ended" });
});

Deno.test("SharedDeadLetterJobs goes on where another node stood, and takes nothing twice", async () => {
  await using nodes = await Nodes.with(20);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const { job } = await a.jobs.begin(SLOW);
  await nodes.come(a, job, 12);
  nodes.state.jobRows.lose("a");
  await nodes.state.jobRows.look("b");
  assert.equal(nodes.state.jobRows.nodeOf(1), "b");
  // The former one does not know, and goes on beside it.
  const over = await nodes.come(b, job, 0);
  assert.deepEqual([over.state, over.done, over.gone], ["done", 20, 0]);
  assert.deepEqual(new Set(nodes.taken().values()), new Set([1]));
  assert.equal(nodes.taken().size, 20);
  assert.deepEqual([a.ended, a.errors, b.ended.length], [[], [], 1]);
  nodes.state.jobRows.back("a");
});

Deno.test("SharedDeadLetterJobs has a step refused that was decided before another node took the job", async () => {
  await using nodes = await Nodes.with(20);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const { job } = await a.jobs.begin(SLOW);
  const { left } = await nodes.come(a, job, 15);
  // Its transaction is under way when the other one takes the job over: at the same place.
  nodes.state.before = async () => {
    nodes.state.jobRows.lose("a");
    await nodes.state.jobRows.look("b");
    nodes.state.before = () => Promise.reject(new CannotStoreError("b does nothing yet"));
  };
  await nodes.pass(100);
  assert.equal((await b.jobs.show(job)).left, left, "a's step was not kept");
  assert.equal((await nodes.come(b, job, 0)).done, 20);
  assert.deepEqual([nodes.taken().size, a.errors], [20, []]);
});

Deno.test("SharedDeadLetterJobs has a step refused that is under way when another node ends the job", async () => {
  await using nodes = await Nodes.with(20);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const { job } = await a.jobs.begin(SLOW);
  const { left } = await nodes.come(a, job, 15);
  // Of all this, a hears nothing.
  nodes.state.before = async () => {
    nodes.state.jobRows.lose("a");
    assert.equal((await b.jobs.cancel(job)).left, left);
  };
  await nodes.pass(100);
  assert.equal((await b.jobs.show(job)).state, "cancelled");
  assert.deepEqual([nodes.left, a.ended, a.errors], [left, [], []]);
});

Deno.test("SharedDeadLetterJobs keeps to a rate over a takeover", async () => {
  await using nodes = await Nodes.with(10);
  const a = await nodes.node("a");
  const { job } = await a.jobs.begin({ ...ALL, rate: "1/m" });
  const { left } = await nodes.come(a, job, 9);
  let before: Node = a;
  for (const name of ["b", "c", "d", "e"]) {
    const next = await nodes.node(name);
    await before.jobs.close();
    await nodes.state.jobRows.look(name);
    await nodes.pass(5000);
    assert.equal((await next.jobs.show(job)).left, left, `${name} waits for its turn`);
    before = next;
  }
  await nodes.pass(60_000);
  assert.equal((await before.jobs.show(job)).left, left - 1);
});

Deno.test("SharedDeadLetterJobs gives back what it runs when it is closed or drained, and takes nothing then", async () => {
  await using nodes = await Nodes.with(20);
  const { jobRows } = nodes.state;
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const { job } = await a.jobs.begin(SLOW);
  jobRows.drain("a", true);
  await jobRows.lookAll();
  assert.equal(jobRows.nodeOf(1), "b");
  assert.deepEqual(a.jobs.claims(), [], "it ends at once where it was");
  jobRows.drain("b", true);
  await jobRows.lookAll();
  assert.equal(jobRows.nodeOf(1), undefined, "nobody takes it");
  const { left } = await a.jobs.show(job);
  await nodes.pass(2000);
  assert.equal((await a.jobs.show(job)).left, left);
  jobRows.drain("b", false);
  await jobRows.lookAll();
  await b.jobs.close();
  const c = await nodes.node("c");
  await settle();
  assert.equal(jobRows.nodeOf(1), "c");
  assert.equal((await nodes.come(c, job, 0)).done, 20);
});

Deno.test("SharedDeadLetterJobs forgets a job whose list its node could not complete, and no other", async () => {
  await using nodes = await Nodes.with(2500);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const { transact } = nodes.state;
  let acts = 0;
  Object.assign(nodes.state, {
    transact: (act: never) => ++acts === 3 ? new Promise(() => {}) : transact(act),
  });
  // Its node is stopped between two parts.
  void a.jobs.begin(ALL);
  while (acts < 3) await settle();
  await nodes.state.jobRows.lookAll();
  assert.equal(nodes.state.load().jobs.length, 1, "its node is at it");
  assert.deepEqual(await b.jobs.list(), [], "but nobody is shown it");
  nodes.state.jobRows.lose("a");
  await nodes.state.jobRows.look("b");
  assert.deepEqual([nodes.state.load().jobs, nodes.left], [[], 2500]);
  const other = await b.jobs.begin({ ...ALL, rate: "1/m" });
  await nodes.state.jobRows.look("b");
  assert.deepEqual((await b.jobs.list()).map(({ job }) => job), [other.job]);
});

Deno.test("SharedDeadLetterJobs refuses the rest of a list whose job is another node's by now", async () => {
  await using nodes = await Nodes.with(2500);
  const [a] = [await nodes.node("a"), await nodes.node("b")];
  nodes.state.before = undefined;
  const { transact } = nodes.state;
  let acts = 0;
  Object.assign(nodes.state, {
    transact: async (act: never) => {
      if (++acts === 2) {
        nodes.state.jobRows.lose("a");
        await nodes.state.jobRows.look("b");
      }
      return await transact(act);
    },
  });
  await assert.rejects(a.jobs.begin(ALL), /goes on elsewhere/);
  assert.deepEqual([nodes.state.load().jobs, nodes.state.jobPart(1, 1)], [[], undefined]);
});

Deno.test("SharedDeadLetterJobs tries again what the state refuses, and any node says why it waits", async () => {
  await using nodes = await Nodes.with(20);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  const { job } = await a.jobs.begin(SLOW);
  await nodes.come(a, job, 15);
  const { transact } = nodes.state;
  const refuse = () => Promise.reject(new CannotStoreError("the server is away"));
  Object.assign(nodes.state, { transact: refuse });
  await nodes.pass(12_000);
  await nodes.state.jobRows.lookAll();
  assert.equal((await b.jobs.show(job)).waiting, "the server is away");
  assert.equal(a.errors.length, 1, "said once");
  Object.assign(nodes.state, { transact });
  const over = await nodes.come(b, job, 0);
  assert.deepEqual([over.done, over.waiting], [20, undefined]);
});

Deno.test("SharedDeadLetterJobs leaves what lives in one process, and says so", async () => {
  await using nodes = await Nodes.with(4);
  const a = await nodes.node("a");
  const [driver] = nodes.broker.subscriptions.all();
  Object.defineProperty(driver!.ledger, "lasts", { value: false });
  const { job } = await a.jobs.begin({ action: "retry", all: true, rate: "100/s" });
  const over = await nodes.come(a, job, 0);
  assert.deepEqual([over.state, over.done, nodes.left], ["done", 0, 4]);
  assert.match(over.failed[0]!.reason, /lives in one process/);
});

Deno.test("SharedDeadLetterJobs learns of a subscription that another node has just made again", async () => {
  await using nodes = await Nodes.with(4);
  const { broker: { subscriptions } } = nodes;
  subscriptions.forget("s");
  subscriptions.learnOf = async (names) => {
    if (new Set(names).has("s")) await subscriptions.put("s", { topic: "t" });
  };
  const a = await nodes.node("a");
  const over = await a.jobs.begin({ action: "retry", all: true });
  assert.deepEqual([over.state, over.done, over.failed], ["done", 4, []]);
});

Deno.test("SharedDeadLetterJobs keeps the last hundred that ended", async () => {
  await using nodes = await Nodes.with(103);
  const [a, b] = [await nodes.node("a"), await nodes.node("b")];
  for (let n = 1; n <= 103; n++) {
    await (n % 2 ? a : b).jobs.begin({ action: "remove", ids: [`e${n}`] });
  }
  const names = (await a.jobs.list()).map(({ job }) => job);
  assert.deepEqual([names.length, names[0], names.at(-1)], [100, "remove-103", "remove-4"]);
});

Deno.test("SharedDeadLetterJobs goes on with a job of an earlier version, which nobody has", async () => {
  await using nodes = await Nodes.with(3);
  const about = { number: 7, bound: FAR, total: 3, startedAt: 0 };
  const record = newJob(ALL, about);
  await nodes.state.commit([
    { op: "job.put", record },
    { op: "job.part", job: 7, part: 0, entries: [1, 2, 3].map((n) => ["s", "t", `e${n}`]) },
  ]);
  const a = await nodes.node("a");
  assert.equal((await nodes.come(a, "remove-7", 0)).done, 3);
  const next = await a.jobs.begin({ ...ALL, action: "remove" });
  assert.equal(next.total, 0);
});
