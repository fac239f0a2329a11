/**
 * P12: how long a durable publish takes when publishes come at half of what each system can do,
 * whether the earlier ones are done or not.
 */
import type { Percentiles } from "./clients/percentiles.ts";
import { steady } from "./control.ts";
import { Nats, OurDaemon, Redis, runClient } from "./contenders.ts";
import { type Bench, output, settle } from "./process.ts";
import { median, type Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

/** A client's figures: publishes a second, and how long they took. */
type Figures = Percentiles & { rate: number };

interface Contender {
  name: string;
  /** Starts it; returns what runs its client at a rate. */
  start(bench: Bench, stack: AsyncDisposableStack): Promise<Load>;
}

type Load = (rate: number, seconds: number) => Promise<Figures>;

/** Of what a system can do at most. */
const SHARE = 0.5;
const REDIS = "Redis XADD, always";

function load(bench: Bench, kind: string, address: string | number): Load {
  return async (rate, seconds) => {
    await settle(bench);
    const script = runClient("open_loop", kind, address, rate, seconds);
    const printed = await output(bench, script);
    if (printed === undefined) throw new Error(`P12 failed: ${script}`);
    return JSON.parse(printed);
  };
}

function ours(store: string): Contender {
  return {
    name: `evs, ${store}, durable`,
    async start(bench, stack) {
      const daemon = stack.use(await OurDaemon.start(bench, `--store ${store}`));
      return load(daemon.bench, "evs", '"$EVS_SOCKET"');
    },
  };
}

const theirs: Record<"redis" | "nats", Contender> = {
  redis: {
    name: REDIS,
    async start(bench, stack) {
      const redis = stack.use(await Redis.start(bench, "always"));
      return load(redis.bench, "redis", '"$REDIS"');
    },
  },
  nats: {
    name: "NATS JetStream",
    async start(bench, stack) {
      const { port } = stack.use(await Nats.start(bench));
      return load(bench, "nats", port);
    },
  },
};

/** P12: the maxima, and a result for each percentile. */
export async function publishAtRate(bench: Bench, size: Size): Promise<Result[]> {
  const contenders = [
    ours("sqlite"),
    ours("file"),
    ...(size.redis ? [theirs.redis] : []),
    ...(size.nats ? [await named(theirs.nats, bench)] : []),
  ];
  const seconds = size.quick ? 2 : 8;
  const maxima = new Map<string, number[]>();
  const figures = new Map<string, Figures[]>();
  for (let round = 1; round <= size.rounds; round++) {
    for (const { name, start } of contenders) {
      size.say(`P12, round ${round}: ${name}`);
      await using stack = new AsyncDisposableStack();
      const run = await start(bench, stack);
      const known = maxima.get(name) ?? [];
      const most = await steady(() => run(0, seconds), size);
      maxima.set(name, [...known, most.rate]);
      const rate = SHARE * median(maxima.get(name)!);
      const atHalf = await steady(() => run(Math.round(rate), seconds), size);
      figures.set(name, [...figures.get(name) ?? [], atHalf]);
    }
  }
  return resultsOf([...contenders.map(({ name }) => name)], { maxima, figures });
}

/** NATS before 2.10 syncs every two minutes: the row says so. */
async function named(contender: Contender, bench: Bench): Promise<Contender> {
  const how = await Nats.syncsAlways(bench) ? "synced before each ack" : "synced every 2 minutes";
  return { ...contender, name: `${contender.name}, ${how}` };
}

function resultsOf(
  contenders: string[],
  { maxima, figures }: { maxima: Map<string, number[]>; figures: Map<string, Figures[]> },
): Result[] {
  const names = contenders.includes(REDIS) ? contenders : [...contenders, REDIS];
  const most: Result = {
    id: "P12",
    title: "64 senders, one event each, at most",
    unit: "events/s",
    lowerIsBetter: false,
    series: names.map((name) => ({ name, rounds: someOf(maxima.get(name)) })),
    goals: [],
  };
  const percentiles = ([["p50", "p50"], ["p99", "p99"], ["p999", "p99.9"]] as const).map((
    [percentile, title],
  ): Result => ({
    id: "P12",
    title: `a durable publish at half of that rate, ${title}`,
    unit: "ms",
    lowerIsBetter: true,
    series: names.map((name) => ({
      name,
      rounds: someOf(figures.get(name)?.map((of) => of[percentile])),
    })),
    goals: [{ against: REDIS, ratio: 1 }],
  }));
  return [most, ...percentiles];
}
