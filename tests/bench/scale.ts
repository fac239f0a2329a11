/**
 * `--only scale`: ours on PostgreSQL beside what else keeps jobs or messages there, on one server
 * whose commits are synced to a disk. In each round every contender does each piece of work once, on
 * a database that is empty at first.
 */
import {
  startPostgres,
  startStandby,
  temporaryFolder,
  waitForStandby,
} from "../helpers/postgres.ts";
import type { PostgresServer } from "../helpers/postgres.ts";
import type { Bench } from "./process.ts";
import { median, type Result, type Series } from "./report.ts";
import {
  eventsFor,
  graphileWorker,
  nodeOn,
  OURS,
  ours,
  pgBoss,
  pgmqSql,
  rawInserts,
} from "./scale_contenders.ts";
import type { Size } from "./workloads.ts";

const CONTENDERS = [ours, pgBoss, graphileWorker, pgmqSql];
const [BOSS, GRAPHILE, PGMQ] = ["pg-boss", "graphile-worker, localQueue", "pgmq's SQL"];
const RAW = "INSERT with a bigserial, no order";
/** The goals of each size of a batch, in times of theirs. */
const BATCHES = [
  { batch: 1, share: 0.01, goals: [{ against: BOSS, ratio: 0.7 }] },
  {
    batch: 100,
    share: 0.4,
    goals: [{ against: BOSS, ratio: 0.8 }, { against: GRAPHILE, ratio: 2 }],
  },
  {
    batch: 1000,
    share: 1,
    goals: [{ against: BOSS, ratio: 2.5 }, { against: GRAPHILE, ratio: 2.5 }],
  },
];
const WRITERS = [{ writers: 4, ratio: 0.6 }, { writers: 16, ratio: 0.4 }];
/** The sizes that are also published where appends wait for a standby. */
const FOLLOWED = BATCHES.filter(({ batch }) => batch >= 100);
const ALONE = "evs, no standby";
const TAKEN = "taken and acknowledged, 1,000 at a time";
const WOKEN = "from the acknowledgement to a live stream on another node, median";

/** The figures of each piece of work, by contender. */
class Figures {
  readonly #rounds = new Map<string, Map<string, number[]>>();

  add(work: string, name: string, value: number): void {
    const of = this.#rounds.get(work) ?? new Map<string, number[]>();
    this.#rounds.set(work, of);
    of.set(name, [...of.get(name) ?? [], value]);
  }

  of(work: string): Series[] {
    return Array.from(this.#rounds.get(work) ?? [], ([name, rounds]) => ({ name, rounds }));
  }
}

async function rate(count: number, work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return count / (performance.now() - began) * 1000;
}

const titleOf = (batch: number) => `published, ${batch.toLocaleString("en")} a batch`;
const followedOf = (batch: number) => `${titleOf(batch)}, with a synchronous standby`;
const writersOf = (writers: number) => `published by ${writers} writers, 100 a batch`;

/** Ours and theirs, with the goals of SCALE. */
export async function scaling(_bench: Bench, size: Size): Promise<Result[]> {
  const figures = new Figures();
  await using server = await startPostgres({ dir: await temporaryFolder({ disk: true }) });
  // A server of its own: a standby would also follow all other work.
  await using primary = await startPostgres({ dir: await temporaryFolder({ disk: true }) });
  await using _ = await startStandby(primary, { dir: await temporaryFolder({ disk: true }) });
  await waitForStandby(primary, true);
  const events = size.quick ? 20_000 : 50_000;
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`SCALE, round ${round}`);
    for (const make of CONTENDERS) {
      const contender = await make(await server.database());
      let count = 0;
      for (const { batch, share } of BATCHES) {
        const some = events * share;
        const figure = await rate(some, () => contender.publish(batch, some));
        figures.add(titleOf(batch), contender.name, figure);
        count += some;
      }
      figures.add(TAKEN, contender.name, await rate(count, () => contender.takeAll(count)));
      await contender.close();
    }
    const servers = [{ name: OURS, on: primary }, { name: ALONE, on: server }];
    for (const { name, on } of servers) await publishOn(on, { name, count: events, figures });
    for (const { writers } of WRITERS) await write(server, { writers, count: events, figures });
    figures.add(WOKEN, OURS, await wakeUp(server, size.quick ? 50 : 500));
  }
  return resultsOf(figures);
}

/** One publisher, whose appends wait for a standby or not. */
async function publishOn(
  server: PostgresServer,
  { name, count, figures }: { name: string; count: number; figures: Figures },
): Promise<void> {
  const contender = await ours(await server.database());
  for (const { batch, share } of FOLLOWED) {
    const some = count * share;
    figures.add(followedOf(batch), name, await rate(some, () => contender.publish(batch, some)));
  }
  await contender.close();
}

/** Several publishers of one node, whose journal appends together what waits; and raw ones. */
async function write(
  server: PostgresServer,
  { writers, count, figures }: { writers: number; count: number; figures: Figures },
): Promise<void> {
  const batch = 100;
  const url = await server.database();
  const broker = await nodeOn(url);
  let left = count;
  const publish = async () => {
    while ((left -= batch) >= 0) await broker.append({ topic: "t", events: eventsFor(batch) });
  };
  const publishing = () => Promise.all(Array.from({ length: writers }, publish));
  figures.add(writersOf(writers), OURS, await rate(count, publishing));
  await broker.close();
  const raw = await server.database();
  const table = "CREATE TABLE raw (seq bigserial PRIMARY KEY, payload text NOT NULL)";
  await server.sql(table, new URL(raw).pathname.slice(1));
  const inserting = () => rawInserts(raw, { writers, batch, count });
  figures.add(writersOf(writers), RAW, await rate(count, inserting));
}

/** Milliseconds until another node has an event. */
async function wakeUp(server: PostgresServer, times: number): Promise<number> {
  const url = await server.database();
  const [here, there] = [await nodeOn(url), await nodeOn(url)];
  const took: number[] = [];
  await here.publish("t", "x", 0);
  const stream = there.stream<number>("t");
  let acknowledged = 0;
  let arrived = () => {};
  const reading = (async () => {
    for await (const { payload } of stream) {
      if (payload === 0) continue;
      took.push(performance.now() - acknowledged);
      arrived();
    }
  })();
  for (let n = 1; n <= times; n++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    arrived = resolve;
    acknowledged = Infinity;
    await here.publish("t", "x", n);
    acknowledged = performance.now();
    await promise;
  }
  await Promise.all([here.close(), there.close()]);
  await reading;
  // One that arrived before its publisher was told took no time.
  return median(took.map((ms) => Number.isFinite(ms) ? ms : 0));
}

function resultsOf(figures: Figures): Result[] {
  const rates = { id: "SCALE", unit: "events/s", lowerIsBetter: false };
  return [
    ...BATCHES.map(({ batch, goals }) => ({
      ...rates,
      title: titleOf(batch),
      series: figures.of(titleOf(batch)),
      goals,
    })),
    {
      ...rates,
      title: TAKEN,
      series: figures.of(TAKEN),
      goals: [
        { against: BOSS, ratio: 3 },
        { against: GRAPHILE, ratio: 3 },
        { against: PGMQ, ratio: 1.5 },
      ],
    },
    ...FOLLOWED.map(({ batch }) => ({
      ...rates,
      title: followedOf(batch),
      series: figures.of(followedOf(batch)),
      goals: [{ against: ALONE, ratio: 0.6 }],
    })),
    ...WRITERS.map(({ writers, ratio }) => ({
      ...rates,
      title: writersOf(writers),
      series: figures.of(writersOf(writers)),
      goals: [{ against: RAW, ratio }],
    })),
    {
      ...rates,
      title: WOKEN,
      unit: "ms",
      lowerIsBetter: true,
      series: figures.of(WOKEN),
      goals: [],
      most: 25,
    },
  ];
}
