/**
 * The workloads, numbered as in PERFORMANCE. Rounds are interleaved: every contender runs once in
 * each round, so that other load on the machine affects all of them alike.
 */
import { archiveTree } from "../../packaging/archive.ts";
import { npmTree } from "../../packaging/npm.ts";
import { buildProgram } from "../../packaging/program.ts";
import type { Platform } from "../../packaging/runtime.ts";
import { writeTree } from "../../packaging/tree.ts";
import { OurDaemon } from "./contenders.ts";
import { writeLines, writeRedis } from "./input.ts";
import { type Bench, milliseconds } from "./process.ts";
import type { Result } from "./report.ts";

/** How much of it. */
export interface Size {
  events: number;
  rounds: number;
  /** In two minutes altogether. */
  quick: boolean;
  /** Starts of each program in P5, per round. */
  starts: number;
  /** False: Redis is not installed. */
  redis: boolean;
  /** False: NATS is not installed. */
  nats: boolean;
  say: (text: string) => void;
}

/** The files that the others publish from. */
export async function prepare(bench: Bench, size: Size): Promise<void> {
  size.say(`writing ${size.events} payloads`);
  await writeLines(`${bench.folder}/lines`, size.events);
  if (size.redis) await writeRedis(`${bench.folder}/commands`, size.events);
}

/** Figures; undefined where there are none. */
export function someOf(figures: number[] | undefined): number[] | undefined {
  return figures === undefined || figures.length === 0 ? undefined : figures;
}

/** `evs` of the npm package, laid out as npm does within a project, and of the archive. */
export async function installed(bench: Bench): Promise<{ npm: string; archive: string }> {
  const { tree } = await buildProgram();
  const folder = `${bench.folder}/node_modules`;
  await writeTree(await npmTree(tree), `${folder}/env-event-stream`);
  const platform: Platform = Deno.build.arch === "aarch64" ? "linux-arm64" : "linux-x64";
  const runtime = `${folder}/@deno/${platform}-glibc`;
  await Deno.mkdir(runtime, { recursive: true });
  await Deno.copyFile(Deno.execPath(), `${runtime}/deno`);
  const unpacked = `${bench.folder}/archive`;
  await writeTree(await archiveTree(tree, { platform, runtime: Deno.execPath() }), unpacked);
  return {
    npm: `${folder}/env-event-stream/bin/evs`,
    archive: `${unpacked}/bin/evs`,
  };
}

/** P5: one event from a cold shell, the whole process. */
export async function publishOnce(bench: Bench, size: Size): Promise<Result[]> {
  await using daemon = await OurDaemon.start(bench);
  await Deno.writeTextFile(`${bench.folder}/empty.ts`, "");
  const url = "http://evs/v1/topics/once/events?type=n";
  const flags = ["--quiet", "--no-prompt", "-A"];
  const evs = "evs publish";
  const [npm, archive] = [`${evs}, from the npm package`, `${evs}, from the archive`];
  const [bare, curl] = ["deno run of an empty file", "curl --unix-socket"];
  const launchers = await installed(bench);
  const contenders: [string, string[]][] = [
    [evs, ["evs", "publish", "once", "n", '{"n":1}']],
    [npm, [launchers.npm, "publish", "once", "n", '{"n":1}']],
    [archive, [launchers.archive, "publish", "once", "n", '{"n":1}']],
    [bare, [Deno.execPath(), "run", ...flags, `${bench.folder}/empty.ts`]],
    [curl, ["curl", "-fsS", "--unix-socket", daemon.socket, url, "-d", '{"n":1}']],
  ];
  const times = Object.fromEntries(contenders.map(([name]): [string, number[]] => [name, []]));
  size.say("P5");
  const starts = size.starts * size.rounds;
  for (let start = -2; start < starts; start++) {
    for (const [name, command] of contenders) {
      // A package runs on the Deno that came with it.
      const env = name === npm || name === archive
        ? { ...daemon.bench.env, EVS_DENO: "" }
        : daemon.bench.env;
      const took = await milliseconds({ ...daemon.bench, env }, command);
      if (start >= 0) times[name]!.push(took); // the first ones warm the caches
    }
  }
  const result = (title: string, names: string[], ratio: number): Result => ({
    id: "P5",
    title,
    unit: "ms",
    lowerIsBetter: true,
    series: names.map((name) => ({ name, rounds: someOf(times[name]) })),
    goals: [{ against: bare, ratio }],
  });
  return [
    result("one publish from a cold shell", [evs, bare, curl], 1.6),
    result("one publish from a cold shell, from the npm package", [npm, bare], 1.3),
    result("one publish from a cold shell, from the archive", [archive, bare], 1.3),
  ];
}
