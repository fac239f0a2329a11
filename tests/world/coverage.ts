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
  const lines = [...unreachedOf(new TextDecoder().decode(stdout))].map(withText);
  Deno.removeSync(folder, { recursive: true });
  return [`${lines.length} decisions that no seed has reached:`, ...lines];
}

/** With what stands there. */
function withText(place: string): string {
  const [file, line] = place.trim().split(":");
  const text = Deno.readTextFileSync(new URL(`../../${file}`, import.meta.url)).split("\n");
  return `${place}  ${text[Number(line) - 1]!.trim()}`;
}

/**
 * The branches that were never taken and the functions that were never called, from the LCOV format.
 * A function that was not called has no branches there.
 */
export function* unreachedOf(lcov: string): Generator<string> {
  let file = "";
  const lines = new Set<string>();
  const functions = new Map<string, string>();
  for (const line of lcov.split("\n")) {
    if (line.startsWith("SF:")) {
      file = DECIDING.find((one) => line.endsWith(one)) ?? "";
      functions.clear();
    }
    const [, begins, name] = /^FN:(\d+),(.*)$/.exec(line) ?? [];
    if (name !== undefined) functions.set(name, begins!);
    const [, never] = /^FNDA:0,(.*)$/.exec(line) ?? [];
    const [, branch] = /^BRDA:(\d+),\d+,\d+,(?:0|-)$/.exec(line) ?? [];
    const at = branch ?? (never === undefined ? undefined : functions.get(never));
    if (file !== "" && at !== undefined) lines.add(`  ${file}:${at}`);
  }
  yield* lines;
}
