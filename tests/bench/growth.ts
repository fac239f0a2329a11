/**
 * P10: the cost of more stored events, more topics and more live tails, compared with ourselves. In
 * each round every daemon is started anew, so that all are equally cold.
 */
import { OurDaemon, runClient } from "./contenders.ts";
import { type Bench, milliseconds, output, seconds, settle } from "./process.ts";
import { median, type Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

type Store = "sqlite" | "file";

/** What a daemon has before it is measured. */
interface Level {
  name: string;
  events: number;
  topics: number;
}

const EMPTY = "empty";
const LARGE = 10_000_000;
/** How many times each read is measured per round. */
const READS = 3;

function named(count: number, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}

function levelsOf(size: Size): { events: Level[]; topics: Level[] } {
  const events = size.quick ? [size.events] : [10_000, size.events, LARGE];
  const topics = size.quick ? [1, 100] : [1, 100, 10_000];
  return {
    events: [0, ...events].reverse().map((count) => ({
      name: count === 0 ? EMPTY : named(count, "event"),
      events: count,
      topics: 1,
    })),
    topics: topics.reverse().map((count) => ({
      name: named(count, "topic"),
      events: 0,
      topics: count,
    })),
  };
}

/** A stopped daemon with what the level asks for. */
async function grow(bench: Bench, store: Store, level: Level): Promise<OurDaemon> {
  const daemon = await OurDaemon.start(bench, `--store ${store}`);
  let left = level.events;
  while (left > 0) {
    await seconds(daemon.bench, `head -n ${left} lines | evs publish bench line --ndjson`);
    left -= Math.min(left, Number(await output(daemon.bench, "wc -l <lines")));
  }
  if (level.topics > 1) {
    await seconds(daemon.bench, runClient("evs_topics", '"$EVS_SOCKET"', level.topics - 1));
  }
  await daemon.stop();
  return daemon;
}

const MEASURES = {
  publish: { title: "publish from a pipe", unit: "events/s", lowerIsBetter: false },
  last: { title: "tail -n 10 --no-follow", unit: "ms", lowerIsBetter: true },
  minute: { title: "replay --from @-1m --limit 1000", unit: "ms", lowerIsBetter: true },
  start: { title: "evs daemon start", unit: "ms", lowerIsBetter: true },
  rss: { title: "memory of the daemon", unit: "MiB", lowerIsBetter: true },
} as const;

type Figures = Record<keyof typeof MEASURES, number>;

/** One round of one daemon, from its start to its stop. */
async function measure(daemon: OurDaemon, store: Store, probe: number): Promise<Figures> {
  const { bench } = daemon;
  await settle(bench);
  const start = 1000 * await daemon.start(`--store ${store}`);
  // The last minute has a thousand events at least, however little was there before.
  await seconds(bench, "head -n 1000 lines | evs publish bench line --ndjson");
  const took = async (...command: string[]) => {
    const times: number[] = [];
    for (let n = 0; n < READS; n++) times.push(await milliseconds(bench, command));
    return median(times);
  };
  const last = await took("evs", "tail", "bench", "-n", "10", "--no-follow");
  const minute = await took("evs", "replay", "bench", "--from", "@-1m", "--limit", "1000");
  await settle(bench);
  const publish = probe / await seconds(bench, "evs publish bench line --ndjson <probe");
  const status = await output(bench, "evs status --json") ?? "{}";
  const rss = JSON.parse(status).memory.rss / 2 ** 20;
  await daemon.stop();
  return { publish, last, minute, start, rss };
}

/** Publish, reads, start and memory, by what is stored and by how many topics there are. */
export async function growing(bench: Bench, size: Size): Promise<Result[]> {
  const probe = size.quick ? 20_000 : 200_000;
  await seconds(bench, `head -n ${probe} lines >probe`);
  const results: Result[] = [];
  for (const levels of Object.values(levelsOf(size))) {
    for (const store of ["sqlite", "file"] as const) {
      const figures = new Map<string, Figures[]>();
      await using grown = new AsyncDisposableStack();
      const daemons = new Map<Level, OurDaemon>();
      for (const level of levels) {
        size.say(`P10, ${store}: ${level.name}`);
        daemons.set(level, grown.use(await grow(bench, store, level)));
      }
      for (let round = 1; round <= size.rounds; round++) {
        size.say(`P10, ${store}, round ${round}`);
        for (const [level, daemon] of daemons) {
          if (level.name === EMPTY) await daemon.forget();
          const of = await measure(daemon, store, probe);
          figures.set(level.name, [...figures.get(level.name) ?? [], of]);
        }
      }
      results.push(...resultsOf(levels, store, figures));
    }
  }
  return results;
}

function resultsOf(levels: Level[], store: Store, figures: Map<string, Figures[]>): Result[] {
  const names = levels.map(({ name }) => name);
  const least = names.at(-1)!;
  // More topics are nothing to search through for who reads one of them.
  const measures = Object.entries(MEASURES).filter(([key]) =>
    levels.every(({ topics }) => topics === 1) || !["last", "minute"].includes(key)
  );
  return measures.map(([key, measure]) => ({
    id: "P10",
    ...measure,
    title: `${measure.title}, ${store} store`,
    series: names.map((name) => ({
      name,
      rounds: someOf(figures.get(name)?.map((of) => of[key as keyof Figures])),
    })),
    goals: [{ against: least, ratio: ratioOf(key, { hasTopics: levels[0]!.topics > 1 }) }],
    ...(key === "start" ? { most: levels[0]!.topics > 1 ? 500 : 300 } : {}),
  }));
}

/** What a figure may be of that of the daemon with the least. */
function ratioOf(measure: string, { hasTopics }: { hasTopics: boolean }): number {
  if (measure === "publish") return 0.9;
  return measure === "start" && !hasTopics ? 1.3 : 1.2;
}

/** Events handed to live tails a second, by how many tails there are. */
export async function fanOut(bench: Bench, size: Size): Promise<Result> {
  const counts = [1000, 100, 1];
  const handed = size.quick ? 200_000 : 2_000_000;
  const rates: Record<string, number[]> = {};
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P10, live tails, round ${round}`);
    for (const tails of counts) {
      await using daemon = await OurDaemon.start(bench, "", "max_connections = 2000\n");
      await settle(bench);
      // The same number of deliveries, in whole requests of a hundred; a single tail gets a tenth
      // of it.
      const events = Math.max(100, handed / Math.max(tails, 10));
      const script = runClient("evs_tails", '"$EVS_SOCKET"', tails, events);
      const printed = await output(daemon.bench, script);
      if (printed === undefined) throw new Error(`P10 failed: ${script}`);
      (rates[named(tails, "tail")] ??= []).push(events * tails / JSON.parse(printed).seconds);
    }
  }
  return {
    id: "P10",
    title: "events handed to live tails",
    unit: "handed/s",
    lowerIsBetter: false,
    series: counts.map((count) => ({
      name: named(count, "tail"),
      rounds: rates[named(count, "tail")],
    })),
    goals: [{ against: named(100, "tail"), ratio: 0.9 }],
  };
}
