/** P10: the start of a daemon that has nothing, beside the runtime alone. */
import { OurDaemon } from "./contenders.ts";
import { type Bench, milliseconds } from "./process.ts";
import type { Result } from "./report.ts";
import { type Size, someOf } from "./workloads.ts";

/** P10. */
export async function starting(bench: Bench, size: Size): Promise<Result> {
  await Deno.writeTextFile(`${bench.folder}/empty.ts`, "");
  const flags = ["--quiet", "--no-prompt", "-A"];
  const [evs, bare] = ["evs daemon start, an empty data dir", "deno run of an empty file"];
  const times: Record<string, number[]> = { [evs]: [], [bare]: [] };
  size.say("P10, starts");
  await using daemon = await OurDaemon.start(bench);
  // The first ones warm the caches.
  for (let start = -2; start < size.starts; start++) {
    await daemon.stop();
    await daemon.forget();
    const ours = 1000 * await daemon.start("");
    const theirs = await milliseconds(bench, [
      Deno.execPath(),
      "run",
      ...flags,
      `${bench.folder}/empty.ts`,
    ]);
    if (start < 0) continue;
    times[evs]!.push(ours);
    times[bare]!.push(theirs);
  }
  return {
    id: "P10",
    title: "a start, beside the runtime alone",
    unit: "ms",
    lowerIsBetter: true,
    series: [evs, bare].map((name) => ({ name, rounds: someOf(times[name]) })),
    goals: [{ against: bare, ratio: 12 }],
  };
}
