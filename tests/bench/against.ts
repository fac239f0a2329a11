/**
 * `deno task bench --against DIR`: compares this checkout with another one, such as a worktree of
 * the last release, in one run. Rounds alternate, and so does the order within a round.
 */
import { OurDaemon } from "./contenders.ts";
import { payload, write } from "./input.ts";
import { measureLatency, type Percentiles, publishesToTail } from "./latency.ts";
import { publishSmall, smallPublishes } from "./many_clients.ts";
import { type Bench, milliseconds, output, seconds, settle } from "./process.ts";
import type { Result } from "./report.ts";
import type { Size } from "./workloads.ts";

/** One of the two checkouts. */
interface Side {
  name: string;
  project: string;
  bench: Bench;
}

/** Takes one figure: what is measured stands ready when it is called. */
type Take = () => Promise<number>;

interface Work {
  id: string;
  title: string;
  unit: string;
  lowerIsBetter?: boolean;
  /** Figures a side: quick ones get more. */
  rounds: number;
  /** Makes what the rounds need, such as a daemon with events; the stack takes it away. */
  prepare(side: Side, stack: AsyncDisposableStack): Promise<Take>;
}

const STORES = ["file", "sqlite"] as const;

async function daemonOf(
  { bench }: Side,
  stack: AsyncDisposableStack,
  flags = "",
): Promise<OurDaemon> {
  return stack.use(await OurDaemon.start(bench, flags));
}

function publishing(id: string, store: "file" | "sqlite", { events, rounds }: Size): Work {
  return {
    id,
    title: `publish from a pipe, ${store} store, durable`,
    unit: "events/s",
    rounds,
    prepare: ({ bench }) =>
      Promise.resolve(async () => {
        await using daemon = await OurDaemon.start(bench, `--store ${store}`);
        await settle(bench);
        return events / await seconds(daemon.bench, "evs publish bench line --ndjson <lines");
      }),
  };
}

function replaying(store: "file" | "sqlite", { events, rounds }: Size): Work {
  return {
    id: "P4",
    title: `replay to a file, ${store} store`,
    unit: "events/s",
    rounds,
    async prepare(side, stack) {
      const { bench } = await daemonOf(side, stack, `--store ${store}`);
      await seconds(bench, "evs publish bench line --ndjson <lines");
      return async () => {
        await settle(bench);
        return events / await seconds(bench, "evs replay bench >out");
      };
    },
  };
}

function reachingTail(
  store: string,
  { durability, percentile }: { durability: "os" | "always"; percentile: keyof Percentiles },
  size: Size,
): Work {
  return {
    id: "P6",
    title: `publish to tail, ${store} store, durability ${durability}, ${percentile}`,
    unit: "ms",
    lowerIsBetter: true,
    rounds: size.rounds,
    async prepare(side, stack) {
      const { bench } = await daemonOf(side, stack, `--store ${store} --durability ${durability}`);
      const run = client(side, "evs_latency", `"$EVS_SOCKET" ${publishesToTail(size)}`);
      return async () => (await measureLatency(bench, run))[percentile];
    },
  };
}

function publishingFromMany(store: string, size: Size): Work {
  return {
    id: "P7",
    title: `64 clients, one event each, ${store} store, durable`,
    unit: "events/s",
    rounds: size.rounds,
    prepare: ({ bench }) =>
      Promise.resolve(() => publishSmall(bench, store, { count: smallPublishes(size) })),
  };
}

function filtering(title: string, flags: string, { events, rounds }: Size): Work {
  return {
    id: "P11",
    title: `one event in a thousand, ${title}`,
    unit: "events/s",
    rounds,
    async prepare(side, stack) {
      const { bench } = await daemonOf(side, stack);
      await seconds(bench, "evs publish bench --envelope <envelopes");
      return async () => events / await seconds(bench, `evs replay bench ${flags} >out`);
    },
  };
}

/** A client of the side's own library, run with the side's own configuration. */
function client({ project }: Side, name: string, args: string): string {
  return `"$EVS_DENO" run --quiet --no-lock -A --config ${project}/deno.json ` +
    `${project}/tests/bench/clients/${name}.ts ${args}`;
}

function works(size: Size): Work[] {
  const { events, rounds, starts } = size;
  return [
    publishing("P1", "file", size),
    publishing("P2", "sqlite", size),
    ...STORES.map((store) => replaying(store, size)),
    {
      id: "P5",
      title: "one publish from a cold shell",
      unit: "ms",
      lowerIsBetter: true,
      rounds: starts * rounds,
      async prepare(side, stack) {
        const { bench } = await daemonOf(side, stack);
        return () => milliseconds(bench, ["evs", "publish", "once", "n", '{"n":1}']);
      },
    },
    ...STORES.flatMap((store) =>
      (["os", "always"] as const).flatMap((durability) =>
        (["p50", "p99"] as const).map((percentile) =>
          reachingTail(store, { durability, percentile }, size)
        )
      )
    ),
    ...STORES.map((store) => publishingFromMany(store, size)),
    {
      id: "P8",
      title: "consume with acknowledgements, one client",
      unit: "events/s",
      rounds,
      async prepare(side, stack) {
        const { bench } = await daemonOf(side, stack);
        await seconds(bench, "evs publish bench line --ndjson <lines");
        let round = 0;
        return async () => {
          await settle(bench);
          const run = client(side, "evs", `"$EVS_SOCKET" r${++round} ${events}`);
          return events / await seconds(bench, run);
        };
      },
    },
    {
      id: "P9",
      title: "awaited publish to one handler in this process",
      unit: "events/s",
      rounds,
      prepare: (side) =>
        Promise.resolve(async () => {
          const printed = await output(side.bench, client(side, "emit", `ours ${events} 1`));
          if (printed === undefined) throw new Error("the client of P9 failed");
          return events / JSON.parse(printed).seconds;
        }),
    },
    filtering("by type", "--type rare", size),
    filtering("by a number", `--where 'payload.n > ${events - events / 1000}'`, size),
  ];
}

/** Both checkouts at all of the work; `wanted` says which rows. */
export async function against(
  [ours, theirs]: readonly [string, string],
  bench: Bench,
  { size, wanted }: { size: Size; wanted: (id: string) => boolean },
): Promise<Result[]> {
  const sides: Side[] = [["this checkout", ours], ["the other", theirs]].map(
    ([name = "", project = ""]) => ({
      name,
      project,
      bench: {
        ...bench,
        env: { ...bench.env, PATH: `${project}/bin:${bench.env["PATH"] ?? ""}` },
      },
    }),
  );
  await write(
    `${bench.folder}/envelopes`,
    size.events,
    (n) => `{"type":"${n % 1000 === 0 ? "rare" : "line"}","payload":${payload(n)}}\n`,
  );
  const results: Result[] = [];
  for (const work of works(size).filter(({ id }) => wanted(id))) {
    size.say(`${work.id}, ${work.title}`);
    await using stack = new AsyncDisposableStack();
    const takes: Take[] = [];
    for (const side of sides) takes.push(await work.prepare(side, stack));
    const figures: number[][] = sides.map(() => []);
    // The first round warms the caches and is not counted.
    for (let round = 0; round <= work.rounds; round++) {
      for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const figure = await takes[i]!();
        if (round > 0) figures[i]!.push(figure);
      }
    }
    results.push({
      id: work.id,
      title: work.title,
      unit: work.unit,
      lowerIsBetter: work.lowerIsBetter ?? false,
      series: sides.map(({ name }, i) => ({ name, rounds: figures[i]! })),
      goals: [{ against: sides[1]!.name, ratio: work.lowerIsBetter ? 1.03 : 0.97 }],
    });
  }
  return results;
}
