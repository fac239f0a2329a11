/**
 * `deno task bench`: our benchmarks and the peers', side by side, in one run on one machine. Prints
 * the tables, and writes tests/bench/results.md and tests/bench/results.svg. `--quick` does a tenth
 * of the work in one round, and `--only P6` only some of it (several with commas); neither writes
 * anything. `--against DIR` compares this checkout with another one, without peers.
 */
import { against } from "./against.ts";
import { chart } from "./chart.ts";
import { consumeAll, runHandlers } from "./consuming.ts";
import { currentNats } from "./current_nats.ts";
import { emitInProcess, publishBurst } from "./emitting.ts";
import { readFiltered } from "./filtering.ts";
import { fanOut, growing } from "./growth.ts";
import { publishToTail } from "./latency.ts";
import { publishFromMany } from "./many_clients.ts";
import { publishAtRate } from "./open_loop.ts";
import { type Bench, output } from "./process.ts";
import { type Result, table } from "./report.ts";
import { publishFromPipe, publishText } from "./publishing.ts";
import { replayToFile } from "./replaying.ts";
import { scaling } from "./scale.ts";
import { scraping } from "./scraping.ts";
import { recovering } from "./recovering.ts";
import { starting } from "./starting.ts";
import { beingWatched } from "./watched.ts";
import { prepare, publishOnce, type Size } from "./workloads.ts";

const project = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(/\/$/, "");
const quick = Deno.args.includes("--quick");
const other = /--against[ =](\S+)/.exec(Deno.args.join(" "))?.[1];
const only = /--only[ =](\S+)/.exec(Deno.args.join(" "))?.[1]?.toUpperCase().split(",");

/** The works, and the rows that each gives. */
const WORKS: {
  ids: string[];
  run(bench: Bench, size: Size): Promise<Result[]> | Promise<Result>;
}[] = [
  { ids: ["P1", "P2", "P3"], run: publishFromPipe },
  { ids: ["P1"], run: publishText },
  { ids: ["P4"], run: replayToFile },
  { ids: ["P5"], run: publishOnce },
  { ids: ["P6"], run: publishToTail },
  { ids: ["P7"], run: publishFromMany },
  { ids: ["P8"], run: consumeAll },
  { ids: ["P8"], run: runHandlers },
  { ids: ["P9"], run: emitInProcess },
  { ids: ["P9"], run: publishBurst },
  { ids: ["P10"], run: growing },
  { ids: ["P10"], run: starting },
  { ids: ["P10"], run: recovering },
  { ids: ["P10"], run: fanOut },
  { ids: ["P11"], run: readFiltered },
  { ids: ["P12"], run: publishAtRate },
  { ids: ["P14"], run: beingWatched },
  { ids: ["P14"], run: scraping },
  { ids: ["SCALE"], run: scaling },
];

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** What the figures were taken on. */
async function machine(bench: Bench): Promise<string> {
  const cpu = await output(bench, "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1");
  const redis = await output(bench, "redis-server --version | sed 's/.*v=\\([^ ]*\\).*/\\1/'");
  const nats = await output(bench, "nats-server --version | sed 's/.*v//'");
  const disk = await output(bench, "findmnt -no FSTYPE -T .");
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  return [
    `${navigator.hardwareConcurrency} cores (${cpu ?? "unknown"}), ${memory} GiB`,
    `Linux ${Deno.osRelease()}, ${disk ?? "unknown"} file system`,
    `Deno ${Deno.version.deno}`,
    redis === undefined || redis === "" ? "Redis not installed" : `Redis ${redis}`,
    nats === undefined || nats === "" ? "NATS not installed" : `NATS ${nats}`,
  ].join("; ");
}

/**
 * The workloads that failed, with their reasons: they are reported with the results, and the run
 * exits with 1.
 */
const failed: string[] = [];

async function measure(bench: Bench): Promise<Result[]> {
  const redis = !other && await output(bench, "command -v redis-server") !== undefined;
  if (!redis && !other) {
    say("redis-server is not installed (apt-get install redis-server): its rows stay empty");
  }
  const current = other ? undefined : await currentNats(bench, say);
  if (current !== undefined) bench.env["PATH"] = `${current}:${bench.env["PATH"]}`;
  const nats = !other && await output(bench, "command -v nats-server") !== undefined;
  if (!nats && !other) {
    say("nats-server is not installed (apt-get install nats-server): its rows stay empty");
  }
  const size: Size = quick
    ? { events: 100_000, rounds: 1, starts: 10, quick, redis, nats, say }
    : { events: 1_000_000, rounds: 3, starts: 20, quick, redis, nats, say };
  await prepare(bench, size);
  const wanted = (id: string) => !only || only.includes(id);
  if (other) {
    const rounds = quick ? 1 : 7;
    return await against([project, await Deno.realPath(other)], bench, {
      size: { ...size, rounds },
      wanted,
    });
  }
  const results: Result[] = [];
  for (const { ids, run } of WORKS) {
    if (!ids.some(wanted)) continue;
    try {
      results.push(...[await run(bench, size)].flat());
    } catch (error) {
      // A quarter of an hour of other rows is not lost with one.
      failed.push(`${ids.join(", ")}: ${error instanceof Error ? error.message : error}`);
      say(`failed: ${failed.at(-1)}`);
    }
  }
  return only ? results.filter(({ id }) => only.includes(id)) : results;
}

/** Handwritten notes: what a profile showed for a goal that is not met. */
async function notes(): Promise<string> {
  return await Deno.readTextFile(`${project}/tests/bench/notes.md`);
}

const folder = await Deno.makeTempDir({ prefix: "evs-bench-" });
const bench: Bench = {
  folder,
  env: {
    PATH: `${project}/bin:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`,
    HOME: folder,
    EVS_DENO: Deno.execPath(),
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? ""}/.cache/deno`,
  },
};
try {
  const results = await measure(bench);
  const rounds = quick ? "1 round" : `${other ? 7 : 3} rounds, interleaved`;
  const what = `${quick ? "100,000" : "1,000,000"} events, ${rounds}`;
  const failures = failed.map((failure) => `**Failed in this run**: ${failure}\n\n`).join("");
  const body = `${await machine(bench)}.\n${what}; payloads of 182 bytes.\n\n${failures}${
    results.map(table).join("\n")
  }`;
  print(body);
  if (!quick && !only && !other) {
    const head = "# Results\n\nWritten by `deno task bench`. Figures do not hold from machine to " +
      "machine; ratios in one run do.\n\n![Results](results.svg)\n\n";
    await Deno.writeTextFile(
      `${project}/tests/bench/results.md`,
      `${head}${body}\n${await notes()}`,
    );
    await Deno.writeTextFile(`${project}/tests/bench/results.svg`, chart(results));
  }
  if (failed.length > 0) Deno.exitCode = 1;
} finally {
  await Deno.remove(folder, { recursive: true });
}
