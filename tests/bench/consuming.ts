/**
 * P8: consuming with acknowledgements, by one library client; and the cost of running a handler,
 * compared with `xargs`.
 */
import { Nats, OurDaemon, Redis, runClient as run } from "./contenders.ts";
import { steady } from "./control.ts";
import { type Bench, seconds, settle } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

/** P8: everything that is stored, read and acknowledged. */
export async function consumeAll(bench: Bench, size: Size): Promise<Result> {
  const [evs, port, handler, redisName, natsName] = [
    "evs, lease and ack",
    "evs, the same by the port of evs consume",
    "evs, a handler behind connect(), a tenth of the events",
    "Redis XREADGROUP + XACK, everysec",
    "NATS JetStream pull consumer, explicit ack",
  ];
  const rates: Record<string, number[]> = {
    [evs]: [],
    [port]: [],
    [handler]: [],
    [redisName]: [],
    [natsName]: [],
  };
  await using daemon = await OurDaemon.start(bench);
  await seconds(daemon.bench, "evs publish bench line --ndjson <lines");
  await using redis = size.redis ? await Redis.start(bench, "everysec") : undefined;
  if (redis) await seconds(redis.bench, 'redis-cli -s "$REDIS" --pipe <commands');
  await using nats = size.nats ? await Nats.start(bench) : undefined;
  if (nats) await seconds(bench, run("nats", String(nats.port), "publish", "lines"));
  // Taken again, it is by a consumer that has had nothing.
  let consumers = 0;
  const take = async (
    rates: number[],
    of: Bench,
    [client, address]: [string, string],
    events = size.events,
  ) => {
    await settle(of);
    const consume = () => seconds(of, run(client, address, `c${consumers++}`, events));
    rates.push(events / await steady(consume, size));
  };
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P8, round ${round}`);
    const socket = '"$EVS_SOCKET"';
    await take(rates[evs]!, daemon.bench, ["evs", socket]);
    await take(rates[port]!, daemon.bench, ["evs_port", socket]);
    await take(rates[handler]!, daemon.bench, ["evs_handler", socket], size.events / 10);
    if (redis) await take(rates[redisName]!, redis.bench, ["redis", '"$REDIS"']);
    if (nats) await take(rates[natsName]!, bench, ["nats", String(nats.port)]);
  }
  return {
    id: "P8",
    title: "consume with acknowledgements, one client",
    unit: "events/s",
    lowerIsBetter: false,
    series: [evs, port, handler, redisName, natsName]
      .map((name) => ({ name, rounds: someOf(rates[name]) })),
    goals: [{ against: redisName, ratio: 2 }, { against: natsName, ratio: 3 }],
  };
}

/** Handlers a second: one process for each event. */
export async function runHandlers(bench: Bench, size: Size): Promise<Result[]> {
  const count = size.rounds > 1 ? 2000 : 500;
  await using daemon = await OurDaemon.start(bench);
  await seconds(daemon.bench, `seq ${count} | evs publish runs n --ndjson`);
  const results: Result[] = [];
  for (const concurrency of [1, 8]) {
    const evs = `evs consume --concurrency ${concurrency}`;
    const xargs = `xargs -P${concurrency}`;
    // A handler has its own session, too (docs/adr/0013-handlers.md).
    const withSession = `${xargs} setsid`;
    const peers = [[withSession, "setsid -- /bin/true"], [xargs, "/bin/true"]] as const;
    const rates: Record<string, number[]> = { [evs]: [], [withSession]: [], [xargs]: [] };
    let consumers = 0;
    const consume = () =>
      seconds(
        daemon.bench,
        `evs consume runs --name c${concurrency}-${consumers++} --concurrency ${concurrency} ` +
          "--until-empty -- /bin/true",
      );
    for (let round = 1; round <= size.rounds; round++) {
      size.say(`handlers, concurrency ${concurrency}, round ${round}`);
      rates[evs]!.push(count / await steady(consume, size));
      for (const [theirs, program] of peers) {
        const command = `seq ${count} | xargs -n1 -P${concurrency} ${program}`;
        rates[theirs]!.push(count / await steady(() => seconds(bench, command), size));
      }
    }
    results.push({
      id: "P8",
      title: `handlers, ${concurrency} at a time`,
      unit: "runs/s",
      lowerIsBetter: false,
      series: [evs, withSession, xargs].map((name) => ({ name, rounds: someOf(rates[name]) })),
      goals: [{ against: withSession, ratio: 0.9 }],
    });
  }
  return results;
}
