/**
 * Who runs which job, in the rows of a PostgreSQL that is really there: a job is given to one node,
 * taken from one that is silent or gives it back and from no other, and held only by who runs it.
 */
import assert from "node:assert/strict";
import { newJob } from "../../../core/dead_letter/job_record.ts";
import { openPostgres, type Query } from "../../../core/postgres/connection.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { JobHolder } from "../../../core/state/shared_act.ts";
import type { ClaimedJob, JobClaim } from "../../../core/state/shared_jobs.ts";
import { until } from "../../helpers/evs.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

/** Far longer than a test takes: who is silent is said by the rows. */
const TTL = 600_000;

/** A node that runs nothing, and notes what it is to run. */
class Looker implements AsyncDisposable {
  readonly state: PostgresState;
  readonly node: string;
  claimed: readonly ClaimedJob[] = [];
  own: JobClaim[] = [];
  looks = 0;

  private constructor(state: PostgresState) {
    this.state = state;
    const options = { clock: state.shared.clock, ttlMs: TTL, onError: () => {} };
    this.node = state.shared.coordinator(options).node;
  }

  static async open(url: string, host: string): Promise<Looker> {
    return new Looker(await PostgresState.open(url, { host, ttlMs: TTL }));
  }

  start(): this {
    this.state.shared.jobs.start({
      claims: () => this.own,
      claimed: (jobs) => {
        this.claimed = jobs;
        this.looks++;
        return Promise.resolve();
      },
    });
    return this;
  }

  /** Looks once more, from now on. */
  async look(): Promise<readonly number[]> {
    const { looks } = this;
    this.state.shared.jobs.changed();
    // One may be under way.
    await until(() => this.looks >= looks + 1);
    this.state.shared.jobs.changed();
    await until(() => this.looks >= looks + 2);
    return this.claimed.map(({ number }) => number);
  }

  /** Begins a job; of its list nothing is looked at here. */
  begin(): Promise<number> {
    return this.state.transact({
      on: [],
      decide: async (rows) => {
        const number = await rows.beginJob(this.node);
        const about = { bound: 1, total: 1, startedAt: 0, number };
        const record = newJob({ action: "remove", all: true }, about);
        return { changes: [{ op: "job.put", record }], result: number };
      },
    });
  }

  /** True if it is held by whom it says. */
  holds(number: number, by?: JobHolder): Promise<boolean> {
    return this.state.transact({
      on: [],
      decide: async (rows) => ({ changes: [], result: await rows.job(number, by) !== undefined }),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.state.close();
  }
}

async function withNodes(
  body: (nodes: { a: Looker; b: Looker; query: Query }) => Promise<void>,
): Promise<void> {
  const url = await emptyDatabase();
  try {
    await using a = await Looker.open(url, "a");
    await using b = await Looker.open(url, "b");
    const postgres = await openPostgres(url);
    try {
      await body({ a, b, query: (text, values) => postgres.query("append", text, values) });
    } finally {
      await postgres.close();
    }
  } finally {
    await giveBack(url);
  }
}

/** The database has not heard of this node for longer than it waits. */
async function silence(query: Query, { node }: Looker): Promise<void> {
  await query(
    "UPDATE evs.jobs SET claimed_at = now() - interval '1 hour' WHERE node = $1",
    [node],
  );
  await query("UPDATE evs.nodes SET seen = now() - interval '1 hour' WHERE node = $1", [node]);
}

Deno.test("beginJob gives numbers that ascend over all nodes, also where rows of before are there", () =>
  withNodes(async ({ a, b, query }) => {
    await query(`INSERT INTO evs.jobs (number, record) VALUES (7, '{"state":"done"}')`);
    assert.deepEqual([await a.begin(), await b.begin()], [8, 9]);
    const numbers = await Promise.all([a.begin(), b.begin(), a.begin(), b.begin()]);
    assert.deepEqual(numbers.sort(), [10, 11, 12, 13]);
    await query("DELETE FROM evs.jobs");
    assert.equal(await a.begin(), 14, "no number is given twice");
  }));

Deno.test("a job is held by the node that runs it, under the epoch that it has now", () =>
  withNodes(async ({ a, b, query }) => {
    const number = await a.begin();
    assert.ok(await a.holds(number, { node: a.node, epoch: 1 }));
    assert.ok(await b.holds(number), "whoever asks for the job alone");
    assert.ok(!await b.holds(number, { node: b.node, epoch: 1 }), "another node");
    await silence(query, a);
    await b.start().look();
    assert.ok(!await a.holds(number, { node: a.node, epoch: 1 }));
    assert.ok(await b.holds(number, { node: b.node, epoch: 2 }));
    // It comes back, to what it had before.
    await query("UPDATE evs.jobs SET node = $1, epoch = 3", [a.node]);
    assert.ok(!await a.holds(number, { node: a.node, epoch: 1 }), "of before it was lost");
  }));

Deno.test("a job is taken from a node that is silent, and from no other", () =>
  withNodes(async ({ a, b, query }) => {
    const number = await a.begin();
    assert.deepEqual(await b.start().look(), []);
    await silence(query, a);
    assert.deepEqual(await b.look(), [number]);
    assert.equal(b.claimed[0]!.epoch, 2);
    assert.deepEqual(await b.look(), [number], "once");
    assert.equal(b.claimed[0]!.epoch, 2);
    assert.deepEqual(await a.start().look(), [], "its former node hears of it");
  }));

Deno.test("a node that says that it is at a job keeps it, and one that has ended is nobody's", () =>
  withNodes(async ({ a, b, query }) => {
    const number = await a.begin();
    await silence(query, a);
    a.own = [{ number, epoch: 1 }];
    assert.deepEqual(await a.start().look(), [number]);
    assert.equal(a.claimed[0]!.epoch, 1, "it has kept it, and not taken it again");
    assert.deepEqual(await b.start().look(), []);
    await query(`UPDATE evs.jobs SET record = '{"state":"done"}'`);
    await silence(query, a);
    assert.deepEqual([await a.look(), await b.look()], [[], []]);
  }));

Deno.test("a node that is to give all back gives jobs to others, and takes none", () =>
  withNodes(async ({ a, b, query }) => {
    const number = await a.begin();
    await a.state.shared.loadQueue("none"); // the node has been seen
    await query(
      `INSERT INTO evs.nodes (node, seen) VALUES ($1, now()) ON CONFLICT (node)
       DO UPDATE SET seen = now()`,
      [a.node],
    );
    await a.state.drainNode(a.node, true);
    assert.deepEqual(await a.start().look(), []);
    assert.deepEqual(await b.start().look(), [number]);
    // Before it is silenced: a look that is under way would take the job again.
    await b.state.close();
    await silence(query, b);
    assert.deepEqual(await a.look(), []);
    const [row] = await query("SELECT epoch::int AS epoch FROM evs.jobs");
    assert.deepEqual(row, { epoch: 2 }, "nor does it take it to give it back");
    await a.state.drainNode(a.node, false);
    assert.deepEqual(await a.look(), [number]);
  }));

Deno.test("a job that a step holds is passed by, until its transaction ends", () =>
  withNodes(async ({ a, b, query }) => {
    const number = await a.begin();
    await silence(query, a);
    const [held, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const step = a.state.transact({
      on: [],
      decide: async (rows) => {
        await rows.job(number, { node: a.node, epoch: 1 });
        held.resolve();
        await goOn.promise;
        return { changes: [], result: undefined };
      },
    });
    await held.promise;
    const looked = await b.start().look();
    goOn.resolve();
    await step;
    assert.deepEqual(looked, [], "it looks, and waits for nobody");
    assert.deepEqual(await b.look(), [], "a step says that its node is there, too");
  }));
