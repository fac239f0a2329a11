/**
 * P7: 64 and 256 clients that repeatedly publish one durable event each; load generators in C on both
 * sides.
 */
import { steady } from "./control.ts";
import { OurDaemon, Redis } from "./contenders.ts";
import { payload, PAYLOAD_BYTES } from "./input.ts";
import { type Bench, output, settle } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

const CLIENTS = [64, 256];
const REDIS = "Redis always, redis-benchmark";

/** Publishes a second. h2load speaks HTTP/1.1 over a Unix socket, which wrk does not. */
export async function publishSmall(
  bench: Bench,
  store: string,
  { count, clients = CLIENTS[0]! }: { count: number; clients?: number },
): Promise<number> {
  await writePayload(bench);
  await using daemon = await OurDaemon.start(bench, `--store ${store}`);
  await settle(bench);
  const script = `h2load --h1 --base-uri="unix:$EVS_SOCKET" -c ${clients} -n ${count} -d one ` +
    `-H "content-type: application/json" "http://evs/v1/topics/bench/events?type=line"`;
  const printed = await output(daemon.bench, script);
  if (printed === undefined) throw new Error(`this failed, is h2load installed? ${script}`);
  const rate = /([\d.]+) req\/s/.exec(printed)?.[1];
  const stored = /status codes: (\d+) 2xx/.exec(printed)?.[1];
  const last = await output(daemon.bench, "evs topic show bench --json | jq .lastSeq");
  if (Number(stored) !== count || Number(last) !== count) {
    throw new Error(`${stored} were acknowledged, ${last} are there: ${printed}`);
  }
  return Number(rate);
}

async function theirs(
  bench: Bench,
  { count, clients }: { count: number; clients: number },
): Promise<number> {
  await using redis = await Redis.start(bench, "always");
  await settle(bench);
  const script = `redis-benchmark -s "$REDIS" -c ${clients} -n ${count} --csv ` +
    `XADD bench "*" p "$(cat one)" | tail -1`;
  const printed = await output(redis.bench, script) ?? "";
  const length = await output(redis.bench, 'redis-cli -s "$REDIS" XLEN bench');
  if (Number(length) !== count) throw new Error(`Redis has ${length} of ${count} events`);
  // The command, payload and all, then the rate and six latencies.
  return Number(printed.split(",").at(-7)?.replaceAll('"', ""));
}

/** What each client publishes. */
async function writePayload({ folder }: Bench): Promise<void> {
  if (payload(1).length !== PAYLOAD_BYTES) throw new Error("the payload has another size");
  await Deno.writeTextFile(`${folder}/one`, payload(1));
}

/** How many events a round publishes. */
export function smallPublishes({ quick }: Size): number {
  return quick ? 20_000 : 100_000;
}

/** P7: a result for each number of clients. */
export async function publishFromMany(bench: Bench, size: Size): Promise<Result[]> {
  const count = smallPublishes(size);
  const names = ["evs, sqlite, h2load", "evs, file, h2load"];
  const h2load = await output(bench, "command -v h2load") !== undefined;
  if (!h2load) {
    size.say("h2load is not installed (apt-get install nghttp2-client): our rows of P7 stay empty");
  }
  await writePayload(bench);
  const results: Result[] = [];
  for (const clients of CLIENTS) {
    const rates: Record<string, number[]> = {};
    const work = { count, clients };
    for (let round = 1; round <= size.rounds; round++) {
      size.say(`P7, ${clients} clients, round ${round}`);
      for (const store of h2load ? ["sqlite", "file"] : []) {
        const rate = await steady(() => publishSmall(bench, store, work), size);
        (rates[`evs, ${store}, h2load`] ??= []).push(rate);
      }
      if (size.redis) (rates[REDIS] ??= []).push(await steady(() => theirs(bench, work), size));
    }
    results.push({
      id: "P7",
      title: `${clients} clients, one event each, durable`,
      unit: "events/s",
      lowerIsBetter: false,
      series: [...names, REDIS].map((name) => ({ name, rounds: someOf(rates[name]) })),
      goals: [{ against: REDIS, ratio: 0.5 }],
    });
  }
  return results;
}
