/**
 * P1 to P3: a stream of events from a pipe, acknowledged when it is durable. Both of our stores and
 * the peers run once in each round, so that other load on the machine affects all of them alike.
 */
import { Nats, OurDaemon, Redis, runClient } from "./contenders.ts";
import { steady } from "./control.ts";
import { type Bench, seconds, settle } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

const FILE = "evs, file, durable";
const SQLITE = "evs, sqlite, durable";
const ALWAYS = "Redis Streams, always";
const EVERYSEC = "Redis Streams, everysec";

/** NATS syncs each message alone: a share of the events tells its rate. */
const FEWER = 20;

/** Publishes the lines to a new daemon; returns the seconds it took. */
export async function publishOurs(
  bench: Bench,
  store: "file" | "sqlite",
  form = "--ndjson",
): Promise<number> {
  await using daemon = await OurDaemon.start(bench, `--store ${store}`);
  await settle(bench);
  return await seconds(daemon.bench, `cat lines | evs publish bench line ${form}`);
}

async function publishRedis(bench: Bench, appendfsync: "always" | "everysec"): Promise<number> {
  await using redis = await Redis.start(bench, appendfsync);
  await settle(bench);
  return await seconds(redis.bench, 'cat commands | redis-cli -s "$REDIS" --pipe');
}

async function publishNats(
  bench: Bench,
  { how, count }: { how: "publish" | "batches"; count: number },
): Promise<number> {
  await using nats = await Nats.start(bench);
  await settle(bench);
  const client = runClient("nats", nats.port, how, "-");
  return await seconds(bench, `head -n ${count} lines | ${client}`);
}

/** P1, P2 and P3, from the same rounds. */
export async function publishFromPipe(bench: Bench, size: Size): Promise<Result[]> {
  const synced = await Nats.syncsAlways(bench) ? "sync_interval always" : "synced every 2 minutes";
  const single = `NATS JetStream, async messages, ${synced}`;
  const batches = `NATS JetStream, atomic batches of 1,000, ${synced}`;
  const hasBatches = size.nats && await Nats.storesBatches(bench);
  const rates: Record<string, number[]> = {};
  const take = async (name: string, run: () => Promise<number>, count = size.events) => {
    (rates[name] ??= []).push(count / await steady(run, size));
  };
  const fewer = size.events / FEWER;
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P1, P2, P3, round ${round}`);
    await take(FILE, () => publishOurs(bench, "file"));
    await take(SQLITE, () => publishOurs(bench, "sqlite"));
    if (size.redis) {
      await take(ALWAYS, () => publishRedis(bench, "always"));
      await take(EVERYSEC, () => publishRedis(bench, "everysec"));
    }
    if (size.nats) {
      await take(single, () => publishNats(bench, { how: "publish", count: fewer }), fewer);
    }
    if (hasBatches) {
      await take(batches, () => publishNats(bench, { how: "batches", count: size.events }));
    }
  }
  const result = (id: string, names: string[], goals: Result["goals"]): Result => ({
    id,
    title: "publish from a pipe",
    unit: "events/s",
    lowerIsBetter: false,
    series: names.map((name) => ({ name, rounds: someOf(rates[name]) })),
    goals,
  });
  return [
    result("P1", [FILE, ALWAYS, EVERYSEC], [
      { against: ALWAYS, ratio: 5 },
      { against: EVERYSEC, ratio: 2 },
    ]),
    result("P2", [SQLITE, ALWAYS, EVERYSEC], [
      { against: ALWAYS, ratio: 2.5 },
      { against: EVERYSEC, ratio: 1 },
    ]),
    result("P3", [FILE, SQLITE, single, batches], [
      { against: single, ratio: 100 },
      { against: batches, ratio: 10 },
    ]),
  ];
}

/** P1 with the same lines as text. They are JSON, so more of them has to be escaped than of a log. */
export async function publishText(bench: Bench, size: Size): Promise<Result> {
  const forms = ["--lines", "--ndjson"];
  const rates: Record<string, number[]> = { "--lines": [], "--ndjson": [] };
  for (let round = 1; round <= 2 * size.rounds; round++) {
    size.say(`P1, text, round ${round}`);
    for (const form of round % 2 === 0 ? forms : forms.toReversed()) {
      rates[form]!.push(size.events / await publishOurs(bench, "file", form));
    }
  }
  return {
    id: "P1",
    title: "publish text from a pipe, file store, durable",
    unit: "events/s",
    lowerIsBetter: false,
    series: forms.map((name) => ({ name, rounds: rates[name]! })),
    goals: [{ against: "--ndjson", ratio: 0.9 }],
  };
}
