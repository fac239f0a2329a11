/** P9: publishing to handlers in the same process, compared with an event emitter. */
import { type Bench, output, settle } from "./process.ts";
import type { Result } from "./report.ts";
import type { Size } from "./workloads.ts";

const project = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(/\/$/, "");

async function run(
  bench: Bench,
  contender: "ours" | "emittery",
  { publishes, subscriptions }: { publishes: number; subscriptions: number },
): Promise<{ seconds: number; mebibytes: number }> {
  await settle(bench);
  const script =
    `"$EVS_DENO" run --quiet --frozen --lock ${project}/tests/deno.lock -A --config ${project}/deno.json ` +
    `${project}/tests/bench/clients/emit.ts ${contender} ${publishes} ${subscriptions}`;
  const printed = await output(bench, script);
  if (printed === undefined) throw new Error(`P9 failed: ${script}`);
  return JSON.parse(printed);
}

/** P9: many publishes that nobody waits for, with and without a schema, to SQLite. */
export async function publishBurst(bench: Bench, size: Size): Promise<Result[]> {
  const [checked, free] = ["with a schema", "without"];
  const count = size.quick ? 20_000 : 100_000;
  const rates: Record<string, number[]> = { [checked]: [], [free]: [] };
  const appends: Record<string, number[]> = { [checked]: [], [free]: [] };
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P9, a burst, round ${round}`);
    for (const name of [checked, free]) {
      await settle(bench);
      const folder = await Deno.makeTempDir({ dir: bench.folder, prefix: "burst-" });
      const script =
        `"$EVS_DENO" run --quiet --frozen --lock ${project}/tests/deno.lock -A --config ${project}/deno.json ` +
        `${project}/tests/bench/clients/burst.ts ${name === checked} ${count} ${folder}/data`;
      const printed = await output(bench, script);
      if (printed === undefined) throw new Error(`P9 failed: ${script}`);
      const figures = JSON.parse(printed);
      rates[name]!.push(count / figures.seconds);
      appends[name]!.push(figures.appends);
      await Deno.remove(folder, { recursive: true });
    }
  }
  const events = count.toLocaleString("en");
  const result = (of: Pick<Result, "title" | "unit" | "goals">, figures: typeof rates): Result => ({
    id: "P9",
    lowerIsBetter: of.unit === "appends",
    series: [checked, free].map((name) => ({ name, rounds: figures[name] })),
    ...of,
  });
  return [
    result({
      title: `${events} publishes without waiting, durable, SQLite`,
      unit: "events/s",
      goals: [{ against: free, ratio: 0.9 }],
    }, rates),
    result({ title: `appends of these ${events}`, unit: "appends", goals: [] }, appends),
  ];
}

/** The rates, the cost of more subscriptions, and the memory. */
export async function emitInProcess(bench: Bench, size: Size): Promise<Result[]> {
  const [ours, peer] = ["evs, not persistent", "emittery"];
  const rates: Record<string, number[]> = { [ours]: [], [peer]: [] };
  const counts = [1000, 10, 1];
  const handled = new Map(counts.map((count) => [count, [] as number[]]));
  const weights: Record<"short" | "long", number[]> = { short: [], long: [] };
  for (let round = 1; round <= size.rounds; round++) {
    size.say(`P9, round ${round}`);
    const one = { publishes: size.events, subscriptions: 1 };
    rates[ours]!.push(size.events / (await run(bench, "ours", one)).seconds);
    rates[peer]!.push(size.events / (await run(bench, "emittery", one)).seconds);
    for (const count of counts) {
      const work = { publishes: Math.ceil(2 * size.events / count), subscriptions: count };
      const { seconds } = await run(bench, "ours", work);
      handled.get(count)!.push(work.publishes * count / seconds);
    }
    weights.short.push((await run(bench, "ours", one)).mebibytes);
    weights.long.push(
      (await run(bench, "ours", { ...one, publishes: 10 * size.events })).mebibytes,
    );
  }
  const named = (count: number) =>
    `${count.toLocaleString("en")} subscription${count > 1 ? "s" : ""}`;
  const times = `after ${(10 * size.events).toLocaleString("en")} publishes`;
  const once = `after ${size.events.toLocaleString("en")} publishes`;
  return [
    {
      id: "P9",
      title: "awaited publish to one handler in this process",
      unit: "events/s",
      lowerIsBetter: false,
      series: [ours, peer].map((name) => ({ name, rounds: rates[name] })),
      goals: [{ against: peer, ratio: 4 }],
    },
    {
      id: "P9",
      title: "handled events, by the subscriptions of the topic",
      unit: "handled/s",
      lowerIsBetter: false,
      series: counts.map((count) => ({ name: named(count), rounds: handled.get(count) })),
      goals: [{ against: named(1), ratio: 0.9 }, { against: named(10), ratio: 0.9 }],
    },
    {
      id: "P9",
      title: "memory of the process",
      unit: "MiB",
      lowerIsBetter: true,
      series: [{ name: times, rounds: weights.long }, { name: once, rounds: weights.short }],
      goals: [{ against: once, ratio: 1.1 }],
    },
  ];
}
