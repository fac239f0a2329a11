/**
 * P6: the time from a publish to the tail that receives it, one event at a time; one client with
 * two connections on each side.
 */
import { steady } from "./control.ts";
import { OurDaemon, Redis, runClient } from "./contenders.ts";
import { type Bench, output, settle } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

/** What is durable when, ours and Redis's word for about the same, and the goal of the median. */
const DURABILITIES = [["os", "everysec", 2], ["always", "always", 1.3]] as const;

/** What the clients print, ms. */
export interface Percentiles {
  p50: number;
  p99: number;
}

/** Runs a client of P6. */
export async function measureLatency(bench: Bench, script: string): Promise<Percentiles> {
  await settle(bench);
  const printed = await output(bench, script);
  if (printed === undefined) throw new Error(`P6 failed: ${script}`);
  return JSON.parse(printed);
}

/** How many events a round publishes, one at a time. */
export function publishesToTail({ quick }: Size): number {
  return quick ? 500 : 3000;
}

/** P6: a result for each durability and percentile. */
export async function publishToTail(bench: Bench, size: Size): Promise<Result[]> {
  const count = publishesToTail(size);
  const results: Result[] = [];
  for (const [ours, theirs, ratio] of DURABILITIES) {
    const redisName = `Redis XADD, XREAD BLOCK, ${theirs}`;
    const names = [`evs, sqlite, ${ours}`, `evs, file, ${ours}`, redisName];
    const figures: Record<string, Percentiles[]> = {};
    for (let round = 1; round <= size.rounds; round++) {
      size.say(`P6, ${ours}, round ${round}`);
      for (const store of ["sqlite", "file"]) {
        await using daemon = await OurDaemon.start(bench, `--store ${store} --durability ${ours}`);
        const script = runClient("evs_latency", '"$EVS_SOCKET"', count);
        const taken = await steady(() => measureLatency(daemon.bench, script), size);
        (figures[`evs, ${store}, ${ours}`] ??= []).push(taken);
      }
      if (size.redis) {
        await using redis = await Redis.start(bench, theirs);
        const script = runClient("redis_latency", '"$REDIS"', count);
        const taken = await steady(() => measureLatency(redis.bench, script), size);
        (figures[redisName] ??= []).push(taken);
      }
    }
    for (const percentile of ["p50", "p99"] as const) {
      results.push({
        id: "P6",
        title: `publish to tail, durability ${ours}, ${percentile}`,
        unit: "ms",
        lowerIsBetter: true,
        series: names.map((name) => ({
          name,
          rounds: someOf(figures[name]?.map((of) => of[percentile])),
        })),
        goals: [{ against: redisName, ratio: percentile === "p50" ? ratio : 2 }],
      });
    }
  }
  return results;
}
