/**
 * Jobs on dead letters on several nodes of a PostgreSQL that is really there: each is started, shown
 * and ended on any node, is run by one at a time, and is continued by another when that one is
 * closed, drained, killed or stopped for too long. No dead letter is taken twice or left out.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { toWireLine } from "../../../core/event/event.ts";
import type { DeadLetterJob } from "../../../core/protocol/dead_letter_jobs.ts";
import { NotFoundError } from "../../../core/base/errors.ts";
import { openPostgres, type Query } from "../../../core/postgres/connection.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { dose } from "../../helpers/dose.ts";
import { until } from "../../helpers/evs.ts";
import { NodeProcess } from "./node_process.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

/** How long a node may be silent, ms. */
const TTL = 1500;
const NEVER = new AbortController().signal;
const LONG = { waitMs: 60_000, signal: NEVER };

interface Node extends AsyncDisposable {
  broker: EventBroker;
  state: PostgresState;
  errors: string[];
}

async function openNode(url: string, host: string, ttlMs = TTL): Promise<Node> {
  const errors: string[] = [];
  const state = await PostgresState.open(url, { host, ttlMs });
  const broker = new EventBroker({
    state,
    eventStore: new PostgresEventStore(url),
    onError: (error, context) => errors.push(`${context}: ${error}`),
  });
  await broker.ready;
  let closed: Promise<void> | undefined;
  return { broker, state, errors, [Symbol.asyncDispose]: () => closed ??= broker.close() };
}

/** A database with so many dead letters of `s`, and a node on it. */
async function withDead(
  count: number,
  body: (of: { url: string; a: Node }) => Promise<void>,
): Promise<void> {
  const url = await emptyDatabase();
  try {
    await using a = await openNode(url, "a");
    const events = Array.from({ length: count }, (_, n) => {
      return { type: "x", payload: n, key: `k${n % 40}` };
    });
    const stored = [];
    for (let at = 0; at < count; at += 1000) {
      stored.push(...await a.broker.publishBatch("t", events.slice(at, at + 1000)));
    }
    await a.broker.subscriptions.put("s", { topic: "t", from: "end" });
    const changes = stored.map(({ id }, n): StateChange => {
      const [seq, key] = [n + 1, `k${n % 40}`];
      const event = { id, seq, key, keySeq: undefined, topic: "t", type: "x", timestamp: 0 };
      const payload = new TextEncoder().encode(String(n));
      const line = toWireLine(
        { ...event, payload, metadata: "{}", schemaVersion: "" } as unknown as Parameters<
          typeof toWireLine
        >[0],
      );
      const about = { subscription: "s", topic: "t", id, seq, key, type: "x" };
      const record = { ...about, reason: "no", diedAt: 1, attempts: [], line };
      return { op: "dead.put", record };
    });
    for (let at = 0; at < count; at += 1000) await a.state.commit(changes.slice(at, at + 1000));
    await body({ url, a });
    assert.deepEqual(a.errors, []);
  } finally {
    await giveBack(url);
  }
}

/** Which nodes have which jobs, as the database says. */
async function owners(url: string): Promise<{ number: number; node: string | null }[]> {
  const postgres = await openPostgres(url);
  try {
    return await postgres.query("read", "SELECT number::int AS number, node FROM evs.jobs");
  } finally {
    await postgres.close();
  }
}

const jobsOf = ({ broker }: Node) => broker.deadLetters.jobs;
const deadOf = ({ state }: Node) => state.countDeadLetters({});

/** Waits until a node says that the job has so few left, or has ended. */
async function come(node: Node, job: string, left: number): Promise<DeadLetterJob> {
  let seen: DeadLetterJob;
  await until(async () => {
    seen = await jobsOf(node).show(job);
    return seen.left <= left;
  });
  return seen!;
}

/** All of it was done, each once. */
function assertDone(job: DeadLetterJob, total: number): void {
  assert.deepEqual([job.state, job.done, job.gone, job.failed], ["done", total, 0, []]);
}

Deno.test("a job of one node is listed, watched and cancelled on another, which gets other numbers", () =>
  withDead(300, async ({ url, a }) => {
    await using b = await openNode(url, "b");
    const { job } = await jobsOf(a).begin({ action: "retry", all: true, rate: "20/s" });
    assert.equal(job, "retry-1");
    assert.deepEqual((await jobsOf(b).list()).map(({ job, state }) => [job, state]), [
      ["retry-1", "running"],
    ]);
    const watched = jobsOf(b).ended(job, LONG);
    await come(b, job, 295);
    const over = await jobsOf(b).cancel(job);
    assert.deepEqual(await watched, over, "whoever waits for its end is told");
    assert.equal(over.state, "cancelled");
    assert.ok(over.left > 0, "it was not done yet");
    assert.deepEqual(await jobsOf(a).show(job), over);
    assert.equal(await deadOf(b), over.left);
    await assert.rejects(async () => await jobsOf(a).cancel(job), {
      code: "dead-letter-job/ended",
    });
    const all = { action: "remove", all: true } as const;
    const [one, other] = await Promise.all([jobsOf(b).begin(all), jobsOf(a).begin(all)]);
    assert.deepEqual([one.job, other.job].sort(), ["remove-2", "remove-3"]);
    assert.equal(one.done + other.done, over.left, "what is left is taken once");
    assert.deepEqual(b.errors, []);
  }));

Deno.test("a job of several parts is done by the node that was asked, while others look", () =>
  withDead(2500, async ({ url, a }) => {
    await using b = await openNode(url, "b");
    const { job } = await jobsOf(a).begin({ action: "retry", subscription: "s" });
    assertDone(await jobsOf(b).ended(job, LONG), 2500);
    const { scheduled, pending } = await b.broker.subscriptions.info("s");
    assert.deepEqual([scheduled, pending, await deadOf(b)], [2500, 0, 0]);
  }));

Deno.test("a job goes on elsewhere when its node is closed, and when it is drained", () =>
  withDead(100, async ({ url, a }) => {
    await using b = await openNode(url, "b");
    // There before the job begins, which waits for nobody. It takes none yet.
    await using c = await openNode(url, "c");
    await a.state.drainNode(c.state.node!, true);
    const { job } = await jobsOf(a).begin({ action: "remove", all: true, rate: "20/s" });
    await come(b, job, 95);
    await a[Symbol.asyncDispose]();
    const left = (await jobsOf(b).show(job)).left;
    await come(b, job, left - 5);
    await c.state.drainNode(c.state.node!, false);
    await c.state.drainNode(b.state.node!, true);
    const runner = () =>
      owners(url).then((rows) => rows.find(({ number }) => number === 1)?.node ?? undefined);
    await until(async () => await runner() === c.state.node);
    assertDone(await jobsOf(c).ended(job, LONG), 100);
    assert.deepEqual([b.errors, c.errors], [[], []]);
  }));

/** A job as the database has it. */
async function stored(query: Query, number = 1): Promise<{ node: string | null; at: number }> {
  const [row] = await query<{ node: string | null; record: string }>(
    "SELECT node, record FROM evs.jobs WHERE number = $1",
    [number],
  );
  return { node: row!.node, ...JSON.parse(row!.record) };
}

/** A process that is a node, and what it has said. */
class JobProcess extends NodeProcess {
  readonly lines: string[];

  constructor(url: string, host: string, request = "") {
    const lines: string[] = [];
    super("job_node.ts", [url, host, String(TTL), request], { note: (line) => lines.push(line) });
    this.lines = lines;
  }

  /** What the node said first behind this word. */
  async said(word: string): Promise<string> {
    const found = () => this.lines.find((line) => line.startsWith(`${word} `));
    await until(() => found() !== undefined);
    return found()!.slice(word.length + 1);
  }
}

/** How often the one that runs it gets a signal, each time so many dead letters further. */
const TAKEOVERS = dose(1, 2);
const LETTERS = 200 * TAKEOVERS;

for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  Deno.test(`a job goes on elsewhere from where it stood when its node gets ${signal}, each dead letter once`, () =>
    withDead(LETTERS, async ({ url, a }) => {
      // Only processes run it.
      await a.state.drainNode(a.state.node!, true);
      const postgres = await openPostgres(url);
      const query: Query = (text, values) => postgres.query("read", text, values);
      const request = JSON.stringify({ action: "retry", all: true, rate: "50/s" });
      const nodes = new Map<string, JobProcess>();
      try {
        // The last one begins the job, which waits for nobody to start.
        for (const host of ["x", "y", "z"]) {
          const node = new JobProcess(url, host, host === "z" ? request : "");
          nodes.set(await node.said("node"), node);
          if (host === "z") await node.said("job");
        }
        for (let round = 0; round < TAKEOVERS; round++) {
          let job = await stored(query);
          const { at } = job;
          await until(async () => (job = await stored(query)).at >= at + 10);
          // Not who had it before: where a process gets no turn for long, another one takes it.
          const { node } = job;
          const runner = nodes.get(node!)!;
          runner.signal(signal);
          const stood = await stored(query);
          assert.equal(stood.node, node, "nobody took it before");
          await until(async () => (await stored(query)).node !== node);
          assert.ok((await stored(query)).at >= stood.at, "it begins where that stood");
          if (signal === "SIGSTOP") runner.signal("SIGCONT");
          else nodes.delete(node!);
        }
        assertDone(await jobsOf(a).ended("retry-1", LONG), LETTERS);
        const [row] = await query<{ n: string }>("SELECT count(*)::text AS n FROM evs.retries");
        assert.deepEqual([row!.n, await deadOf(a)], [`${LETTERS}`, 0]);
        const lines = [...nodes.values()].flatMap((one) => one.lines);
        await until(() => [...nodes.values()].some((one) => one.lines.some(isEnd)));
        assert.deepEqual(lines.filter((line) => line.startsWith("error")), []);
      } finally {
        for (const node of nodes.values()) await node.kill();
        await postgres.close();
      }
    }));
}

const isEnd = (line: string) => line === `ended retry-1 done ${LETTERS}`;

Deno.test("a job counts what others retry, remove and dismiss meanwhile as gone, each letter once", () =>
  withDead(400, async ({ url, a }) => {
    await using b = await openNode(url, "b");
    await a.broker.subscriptions.put("other", { topic: "t", from: "end" });
    await until(() => b.broker.subscriptions.has("other"));
    const { records } = await a.state.deadLetters({}, { limit: 400 });
    const { job } = await jobsOf(a).begin({ action: "retry", all: true, rate: "200/s" });
    const { deadLetters, subscriptions } = b.broker;
    let taken = 0;
    for (const [n, { id }] of records.entries()) {
      const action = { ids: [id], ...n % 3 === 0 ? { to: "other" } : {} };
      const act = n % 2 === 0 ? deadLetters.retry(action) : deadLetters.remove({ ids: [id] });
      taken += await act.then(({ count }) => count, (error) => {
        assert.ok(error instanceof NotFoundError, `${error}`);
        return 0;
      });
      if (n % 20 === 10) await subscriptions.seek("s", { to: "end" });
      if (n % 20 === 15) {
        for (const { id } of await deadLetters.groups.list()) await deadLetters.groups.dismiss(id);
      }
      if ((await jobsOf(b).show(job)).state !== "running") break;
    }
    const over = await jobsOf(b).ended(job, LONG);
    assert.deepEqual([over.state, over.done + over.gone, over.gone], ["done", 400, taken]);
    assert.ok(taken > 0 && over.done > 0, "they met");
    assert.deepEqual([await deadOf(a), b.errors], [0, []]);
  }));
