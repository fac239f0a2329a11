/** P4: replays everything that is stored to a file. */
import { Nats, OurDaemon, Redis, runClient } from "./contenders.ts";
import { steady } from "./control.ts";
import { type Bench, output, seconds, settle } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

const XRANGE = "Redis XRANGE";
const NATS = "NATS JetStream ordered consumer";
const COPY = "cat F | cat >out";
const STORES = ["file", "sqlite"] as const;

/** P4, one result for each of our stores, from the same rounds. */
export async function replayToFile(bench: Bench, size: Size): Promise<Result[]> {
  const rates: Record<string, number[]> = {};
  const take = async (name: string, where: Bench, script: string) => {
    await settle(bench);
    (rates[name] ??= []).push(size.events / await steady(() => seconds(where, script), size));
  };
  await using file = await OurDaemon.start(bench, "--store file");
  await using sqlite = await OurDaemon.start(bench, "--store sqlite");
  const daemons = { file, sqlite };
  for (const store of STORES) {
    const { bench: ours } = daemons[store];
    await seconds(ours, "evs publish bench line --ndjson <lines");
    await seconds(ours, "evs replay bench >replayed");
    const lines = await output(ours, "wc -l <replayed");
    if (Number(lines) !== size.events) throw new Error(`replay printed ${lines} lines`);
  }
  await using redis = size.redis ? await Redis.start(bench, "everysec") : undefined;
  if (redis) await seconds(redis.bench, 'redis-cli -s "$REDIS" --pipe <commands');
  await using nats = size.nats ? await Nats.start(bench) : undefined;
  if (nats) await seconds(bench, runClient("nats", nats.port, "publish", "lines"));
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P4, round ${round}`);
    for (const store of STORES) await take(store, daemons[store].bench, "evs replay bench >out");
    if (redis) await take(XRANGE, redis.bench, 'redis-cli -s "$REDIS" XRANGE bench - + >out');
    if (nats) {
      await take(NATS, bench, `${runClient("nats", nats.port, "replay", size.events)} >out`);
    }
    await take(COPY, bench, "cat replayed | cat >out");
  }
  const result = (store: "file" | "sqlite", goals: Result["goals"]): Result => ({
    id: "P4",
    title: `replay to a file, ${store} store`,
    unit: "events/s",
    lowerIsBetter: false,
    series: [
      { name: `evs replay, ${store}`, rounds: someOf(rates[store]) },
      ...[XRANGE, NATS, COPY].map((name) => ({ name, rounds: someOf(rates[name]) })),
    ],
    goals,
  });
  return [
    result("file", [
      { against: XRANGE, ratio: 6 },
      { against: NATS, ratio: 3 },
      { against: COPY, ratio: 0.8 },
    ]),
    result("sqlite", [{ against: XRANGE, ratio: 4 }, { against: COPY, ratio: 0.5 }]),
  ];
}
