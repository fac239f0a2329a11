/**
 * The pieces of work, after PERFORMANCE's numbers. Rounds are interleaved: every contender runs once in each round, so
 * that what else the machine does meets all of them alike.
 */
import { OurDaemon, Redis } from "./contenders.ts";
import { writeLines, writeRedis } from "./input.ts";
import { type Bench, milliseconds, output, seconds, settle } from "./process.ts";
import type { Result } from "./report.ts";

/** How much of it. */
export interface Size {
  events: number;
  rounds: number;
  /** Starts of each program in P5, per round. */
  starts: number;
  /** False: Redis is not installed. */
  redis: boolean;
  say: (text: string) => void;
}

const EVS = "evs, sqlite, durable";
const ALWAYS = "Redis Streams, always";
const EVERYSEC = "Redis Streams, everysec";

/** The files that P2 and P4 publish from. */
export async function prepare(bench: Bench, size: Size): Promise<void> {
  size.say(`writing ${size.events} payloads`);
  await writeLines(`${bench.folder}/lines`, size.events);
  if (size.redis) await writeRedis(`${bench.folder}/commands`, size.events);
}

async function publishOurs(bench: Bench): Promise<number> {
  await using daemon = await OurDaemon.start(bench);
  await settle(bench);
  return await seconds(daemon.bench, "cat lines | evs publish bench line --ndjson");
}

async function publishRedis(bench: Bench, appendfsync: "always" | "everysec"): Promise<number> {
  await using redis = await Redis.start(bench, appendfsync);
  await settle(bench);
  return await seconds(redis.bench, 'cat commands | redis-cli -s "$REDIS" --pipe');
}

/** P2: a stream from a pipe, acknowledged when it is durable. */
export async function publishFromPipe(bench: Bench, size: Size): Promise<Result> {
  const rates: Record<string, number[]> = { [EVS]: [], [ALWAYS]: [], [EVERYSEC]: [] };
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P2, round ${round}`);
    rates[EVS]!.push(size.events / await publishOurs(bench));
    if (!size.redis) continue;
    rates[ALWAYS]!.push(size.events / await publishRedis(bench, "always"));
    rates[EVERYSEC]!.push(size.events / await publishRedis(bench, "everysec"));
  }
  return {
    id: "P2",
    title: "publish from a pipe",
    unit: "events/s",
    lowerIsBetter: false,
    series: [EVS, ALWAYS, EVERYSEC].map((name) => ({ name, rounds: someOf(rates[name]) })),
    goals: [{ against: ALWAYS, ratio: 2 }, { against: EVERYSEC, ratio: 0.6 }],
  };
}

/** Figures; undefined where there are none. */
export function someOf(figures: number[] | undefined): number[] | undefined {
  return figures === undefined || figures.length === 0 ? undefined : figures;
}

/** P4: everything that is stored, to a file. */
export async function replayToFile(bench: Bench, size: Size): Promise<Result> {
  const [evs, xrange, copy] = ["evs replay, sqlite", "Redis XRANGE", "cat F | cat >out"];
  const rates: Record<string, number[]> = { [evs]: [], [xrange]: [], [copy]: [] };
  await using daemon = await OurDaemon.start(bench);
  await seconds(daemon.bench, "evs publish bench line --ndjson <lines");
  await using redis = size.redis ? await Redis.start(bench, "everysec") : undefined;
  if (redis) await seconds(redis.bench, 'redis-cli -s "$REDIS" --pipe <commands');
  await seconds(daemon.bench, "evs replay bench >replayed");
  const lines = await output(daemon.bench, "wc -l <replayed");
  if (Number(lines) !== size.events) throw new Error(`replay printed ${lines} lines`);
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P4, round ${round}`);
    await settle(bench);
    rates[evs]!.push(size.events / await seconds(daemon.bench, "evs replay bench >out"));
    if (redis) {
      await settle(bench);
      const read = 'redis-cli -s "$REDIS" XRANGE bench - + >out';
      rates[xrange]!.push(size.events / await seconds(redis.bench, read));
    }
    await settle(bench);
    rates[copy]!.push(size.events / await seconds(bench, "cat replayed | cat >out"));
  }
  return {
    id: "P4",
    title: "replay to a file",
    unit: "events/s",
    lowerIsBetter: false,
    series: [evs, xrange, copy].map((name) => ({ name, rounds: someOf(rates[name]) })),
    // Within 6x of a plain copy: at least a sixth of its rate.
    goals: [{ against: xrange, ratio: 4 }, { against: copy, ratio: 0.17 }],
  };
}

/** P5: one event from a cold shell, the whole process. */
export async function publishOnce(bench: Bench, size: Size): Promise<Result> {
  await using daemon = await OurDaemon.start(bench);
  await Deno.writeTextFile(`${bench.folder}/empty.ts`, "");
  const url = "http://evs/v1/topics/once/events?type=n";
  const flags = ["--quiet", "--no-prompt", "-A"];
  const [evs, bare, curl] = ["evs publish", "deno run of an empty file", "curl --unix-socket"];
  const contenders: [string, string[]][] = [
    [evs, ["evs", "publish", "once", "n", '{"n":1}']],
    [bare, [Deno.execPath(), "run", ...flags, `${bench.folder}/empty.ts`]],
    [curl, ["curl", "-fsS", "--unix-socket", daemon.socket, url, "-d", '{"n":1}']],
  ];
  const times: Record<string, number[]> = { [evs]: [], [bare]: [], [curl]: [] };
  size.say("P5");
  const starts = size.starts * size.rounds;
  for (let start = -2; start < starts; start++) {
    for (const [name, command] of contenders) {
      const took = await milliseconds(daemon.bench, command);
      if (start >= 0) times[name]!.push(took); // the first ones warm the caches
    }
  }
  return {
    id: "P5",
    title: "one publish from a cold shell",
    unit: "ms",
    lowerIsBetter: true,
    series: [evs, bare, curl].map((name) => ({ name, rounds: someOf(times[name]) })),
    goals: [{ against: bare, ratio: 1.6 }],
  };
}
