/** P10: the start of a daemon that has nothing, beside the runtime alone. */
import { OurDaemon } from "./contenders.ts";
import { type Bench, milliseconds } from "./process.ts";
import type { Result } from "./report.ts";
import { installed, type Size, someOf } from "./workloads.ts";

/** P10: from a checkout, and from the archive that people install. */
export async function starting(bench: Bench, size: Size): Promise<Result[]> {
  await Deno.writeTextFile(`${bench.folder}/empty.ts`, "");
  const bare = [Deno.execPath(), "run", "--quiet", "--no-prompt", "-A", `${bench.folder}/empty.ts`];
  const names = ["evs daemon start", "evs daemon start, from the archive"] as const;
  const runtime = "deno run of an empty file";
  const times: Record<string, number[]> = { [names[0]]: [], [names[1]]: [], [runtime]: [] };
  const { archive } = await installed(bench);
  size.say("P10, starts");
  await using daemon = await OurDaemon.start(bench);
  // An archive runs on the Deno that came with it.
  const unpacked = { ...daemon.bench, env: { ...daemon.bench.env, EVS_DENO: "" } };
  const starts = {
    [names[0]]: () => daemon.start(""),
    [names[1]]: () => daemon.start("", { by: archive, bench: unpacked }),
    [runtime]: async () => await milliseconds(bench, bare) / 1000,
  };
  // The first ones warm the caches.
  for (let round = -2; round < size.starts; round++) {
    for (const [name, start] of Object.entries(starts)) {
      if (name !== runtime) {
        await daemon.stop();
        await daemon.forget();
      }
      const took = await start();
      if (round >= 0) times[name]!.push(1000 * took);
    }
  }
  return names.map((name) => ({
    id: "P10",
    title: `a start with an empty data dir${name === names[0] ? "" : ", from the archive"}`,
    unit: "ms",
    lowerIsBetter: true,
    series: [name, runtime].map((name) => ({ name, rounds: someOf(times[name]) })),
    goals: [{ against: runtime, ratio: 12 }],
  }));
}
