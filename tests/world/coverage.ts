/**
 * Which decisions no seed has reached: branches of the files in which the program decides, from the
 * coverage of the processes that ran the worlds.
 */

/** Where decisions are (ARCHITECTURE.md). */
const DECIDING = [
  "core/delivery/plan.ts",
  "core/delivery/queue.ts",
  "core/delivery/redeliver.ts",
  "core/store/append.ts",
  "core/store/dedup.ts",
  "core/store/retention_rule.ts",
  "core/store/file/recovery.ts",
  "core/store/file/realign.ts",
  "core/store/file/checkpoint.ts",
  "core/store/file/open_topic.ts",
  "core/store/file/holes.ts",
  "core/store/sqlite/salvage/repair_wal.ts",
  "core/store/sqlite/salvage/carve.ts",
  "core/store/sqlite/salvage_database.ts",
];

/** Lines to print, from a folder that `deno run --coverage` has filled. */
export function unreached(folder: string): string[] {
  const { stdout, stderr, success } = new Deno.Command(Deno.execPath(), {
    args: [
      "coverage",
      "--lcov",
      ...DECIDING.map((file) => `--include=${file.replaceAll(".", "\\.")}`),
      folder,
    ],
    env: { NO_COLOR: "1" },
  }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const lines = [...unreachedOf(new TextDecoder().decode(stdout))];
  Deno.removeSync(folder, { recursive: true });
  return [`${lines.length} decisions that no seed has reached:`, ...lines];
}

/** The branches with a count of 0, from the LCOV format. */
export function* unreachedOf(lcov: string): Generator<string> {
  let file = "";
  const lines = new Set<string>();
  for (const line of lcov.split("\n")) {
    if (line.startsWith("SF:")) file = DECIDING.find((one) => line.endsWith(one)) ?? "";
    const [, at, count] = /^BRDA:(\d+),\d+,\d+,(.*)$/.exec(line) ?? [];
    if (file !== "" && at !== undefined && (count === "0" || count === "-")) {
      lines.add(`  ${file}:${at}`);
    }
  }
  yield* lines;
}
