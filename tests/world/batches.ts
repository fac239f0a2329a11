/** Many seeds, in several processes: each takes its share and prints what came of it. */
import { type Result, runWorld } from "./engine/run.ts";
import type { Life } from "./types.ts";

/** One in so many worlds runs twice, if not all do. */
const TWICE = 10;
/** Progress is told this often, ms. */
const TELL_EVERY = 15_000;
/** A process that has said nothing for so long computes without end: no world takes a second, ms. */
const STUCK = 300_000;

/** A world in which something broke. */
export interface Failure {
  seed: number;
  promise: string;
  details: string;
}

/** What came of a world, as a process tells it. */
export interface Outcome {
  seed: number;
  counts: Record<string, number>;
  /** Simulated ms. */
  time: number;
  events: number;
  failure?: Failure;
}

/** What came of all. */
export interface Totals {
  worlds: number;
  time: number;
  events: number;
  counts: Map<string, number>;
  failures: Failure[];
  /** Real seconds. */
  took: number;
}

/** Which worlds to run. */
export interface Share {
  seeds: number;
  from: number;
  twice: boolean;
  /** Runs every `jobs`-th seed; `batch` says with which it begins. */
  jobs: number;
  batch?: number | undefined;
}

/** Runs a share in this process. */
export async function* runSeeds(
  life: Life,
  { seeds, from, twice, jobs, batch = 0 }: Share,
): AsyncGenerator<Outcome> {
  for (let seed = from + batch; seed < from + seeds; seed += jobs) {
    const result = await runWorld(life, seed);
    const again = twice || seed % TWICE === 0 ? await runWorld(life, seed) : result;
    yield outcomeOf(result, again);
  }
}

function outcomeOf(result: Result, again: Result): Outcome {
  const { seed, broke, time, events, hash } = result;
  const differs = hash === again.hash ? undefined : {
    promise: "two runs of a seed are the same",
    details: `${hash} and ${again.hash}`,
  };
  const failed = broke ?? differs;
  return {
    seed,
    counts: Object.fromEntries(result.counts),
    time,
    events,
    ...(failed === undefined ? {} : {
      failure: { seed, promise: failed.promise, details: failed.details },
    }),
  };
}

/** Whom {@link runBatches} calls at once. */
export interface Listener {
  failed?(failure: Failure): void;
  /** From time to time. */
  progress?(text: string): void;
}

/** Runs all, in as many processes as `jobs` says. */
export async function runBatches(
  args: Share & { life: string; coverage?: string | undefined },
  { failed, progress }: Listener = {},
): Promise<Totals> {
  const totals = newTotals();
  const begun = performance.now();
  let told = begun;
  const work = Array.from({ length: args.jobs }, async (_, batch) => {
    for await (const outcome of child(args, batch)) {
      add(totals, outcome);
      if (outcome.failure !== undefined) failed?.(outcome.failure);
      if (performance.now() - told < TELL_EVERY) continue;
      told = performance.now();
      const seconds = (told - begun) / 1000;
      progress?.(`${totals.worlds} of ${args.seeds} worlds in ${seconds.toFixed(0)} s`);
    }
  });
  await Promise.all(work);
  totals.took = (performance.now() - begun) / 1000;
  return totals;
}

/** Nothing of nothing. */
export function newTotals(): Totals {
  return { worlds: 0, time: 0, events: 0, counts: new Map(), failures: [], took: 0 };
}

/** Adds what came of a world. */
export function add(totals: Totals, { counts, time, events, failure }: Outcome): void {
  totals.worlds++;
  totals.time += time;
  totals.events += events;
  for (const [name, count] of Object.entries(counts)) {
    totals.counts.set(name, (totals.counts.get(name) ?? 0) + count);
  }
  if (failure !== undefined) totals.failures.push(failure);
}

/** Adds what came of many. */
export function addAll(
  totals: Totals,
  { worlds, time, events, counts, failures, took }: Totals,
): void {
  totals.worlds += worlds;
  totals.time += time;
  totals.events += events;
  totals.took += took;
  totals.failures.push(...failures);
  for (const [name, count] of counts) {
    totals.counts.set(name, (totals.counts.get(name) ?? 0) + count);
  }
}

async function* child(
  args: Share & { life: string; coverage?: string | undefined },
  batch: number,
): AsyncGenerator<Outcome> {
  const { seeds, from, jobs, twice, life, coverage } = args;
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      "--no-check",
      `--lock=${decodeURIComponent(new URL("../deno.lock", import.meta.url).pathname)}`,
      "--frozen",
      ...(coverage === undefined ? [] : [`--coverage=${coverage}`]),
      decodeURIComponent(new URL("main.ts", import.meta.url).pathname),
      ...["--life", life, "--seeds", `${seeds}`, "--from", `${from}`, "--jobs", `${jobs}`],
      ...["--batch", `${batch}`, ...(twice ? ["--twice"] : [])],
    ],
    stdout: "piped",
    stderr: "inherit",
  });
  const process = command.spawn();
  const kill = () => process.kill("SIGKILL");
  let stuck = setTimeout(kill, STUCK);
  let next = from + batch;
  let text = "";
  for await (const piece of process.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(stuck);
    stuck = setTimeout(kill, STUCK);
    const lines = (text + piece).split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      yield JSON.parse(line);
      next += jobs;
    }
  }
  clearTimeout(stuck);
  const { code } = await process.status;
  if (code !== 0) throw new Error(`the process that ran seed ${next} ended with ${code}`);
}
