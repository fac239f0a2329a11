/**
 * P10: how long a start takes after a crash with very many events, ours beside Redis, which reads
 * its whole file.
 */
import { OurDaemon, Redis } from "./contenders.ts";
import { type Bench, output, seconds, settle } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

const MILLION = 1_000_000;
const REDIS = "Redis Streams";

/** P10. */
export async function recovering(bench: Bench, size: Size): Promise<Result> {
  const count = size.quick ? size.events : 10 * MILLION;
  const figures: Record<string, number[]> = {};
  for (const store of ["sqlite", "file"]) {
    size.say(`P10, after a crash, ${store}`);
    await using daemon = await OurDaemon.start(bench, `--store ${store}`);
    await repeat(
      count,
      size,
      () => seconds(daemon.bench, "evs publish bench line --ndjson <lines"),
    );
    for (let round = 1; round <= size.rounds; round++) {
      // What came last has not been written everywhere yet.
      await seconds(daemon.bench, "head -n 1000 lines | evs publish bench line --ndjson");
      await daemon.kill();
      await settle(bench);
      (figures[`evs, ${store}`] ??= []).push(1000 * await daemon.start(`--store ${store}`));
    }
  }
  if (size.redis) {
    size.say("P10, after a crash, Redis");
    await using redis = await Redis.start(bench, "everysec");
    await repeat(count, size, () => seconds(redis.bench, 'redis-cli -s "$REDIS" --pipe <commands'));
    for (let round = 1; round <= size.rounds; round++) {
      await redis.kill();
      await settle(bench);
      (figures[REDIS] ??= []).push(1000 * await redis.restart());
    }
    const length = Number(await output(redis.bench, 'redis-cli -s "$REDIS" XLEN bench'));
    if (length !== count) throw new Error(`Redis has ${length} of ${count} events`);
  }
  return {
    id: "P10",
    title: `a start after a crash, ${count / MILLION} million events`,
    unit: "ms",
    lowerIsBetter: true,
    series: ["evs, sqlite", "evs, file", REDIS].map((name) => ({
      name,
      rounds: someOf(figures[name]),
    })),
    goals: [{ against: REDIS, ratio: 1 }],
  };
}

/** Publishes the bench's lines until there are so many. */
async function repeat(count: number, size: Size, publish: () => Promise<number>): Promise<void> {
  for (let there = 0; there < count; there += size.events) await publish();
}
