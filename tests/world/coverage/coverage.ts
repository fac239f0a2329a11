/**
 * Which decisions no seed has reached: branches of the files in which the program decides, from the
 * coverage of the processes that ran the worlds. Those that no world can reach have a reason each
 * (reasons.ts), so that only what has none yet is left to look at.
 */
import { type Reason, REASONS } from "./reasons.ts";

/**
 * Where decisions are (ARCHITECTURE.md): what a delivery and an append come to, and what a start
 * makes of what a crash, or somebody, has left.
 */
const DECIDING = [
  "core/delivery/missed_events.ts",
  "core/delivery/plan.ts",
  "core/delivery/queue.ts",
  "core/delivery/redeliver.ts",
  "core/delivery/unanswered.ts",
  "core/store/append.ts",
  "core/store/dedup.ts",
  "core/store/key_seqs.ts",
  "core/store/retention_rule.ts",
  "core/store/file/recovery.ts",
  "core/store/file/realign.ts",
  "core/store/file/surplus.ts",
  "core/store/file/checkpoint.ts",
  "core/store/file/open_topic.ts",
  "core/store/file/holes.ts",
  "core/store/file/head.ts",
  "core/store/file/batch_record.ts",
  "core/store/file/redact_segment.ts",
  "core/store/sqlite/salvage/wal_frames.ts",
  "core/store/sqlite/salvage/repair_wal.ts",
  "core/store/sqlite/salvage/carve.ts",
  "core/store/sqlite/salvage_database.ts",
  "core/broker/known_ends.ts",
  "core/data_dir/missing_files.ts",
  "core/data_dir/watermarks.ts",
];

/** What the coverage says of one file: the lines with decisions, by their numbers from 1. */
export interface FileCoverage {
  file: string;
  /** Lines on which a branch, or a function, begins. */
  decisions: ReadonlySet<number>;
  /** Those of them with a branch that was never taken, or a function that was never called. */
  unreached: ReadonlySet<number>;
}

/** What there is to say. */
export interface Verdict {
  /** Decisions without a reason: `FILE:LINE  TEXT`. */
  open: string[];
  /** Reasons that hold, as far as this run can tell. */
  explained: Reason[];
  /** Reasons that do not, and why. */
  wrong: string[];
}

/** Reads the text of a file by its path from the project's root. */
export type ReadText = (file: string) => string;

/** What a folder that `deno run --coverage` has filled says; removes the folder. */
export function verdictOf(folder: string): Verdict {
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
  Deno.removeSync(folder, { recursive: true });
  return judge(coverageOf(new TextDecoder().decode(stdout)), REASONS, readText);
}

/** The text of a file of the project. */
export function readText(file: string): string {
  return Deno.readTextFileSync(new URL(`../../../${file}`, import.meta.url));
}

/** Lines to print. `withReasons`: what no world can reach, too. */
export function verdictText(
  { open, explained, wrong }: Verdict,
  { withReasons }: { withReasons: boolean },
): string[] {
  const reasons = explained.flatMap(({ file, text, why }) => [
    `  ${file}: ${text.split("\n")[0]!.trim()}`,
    `      ${why}`,
  ]);
  return [
    `${open.length} decisions that no seed has reached, and ${explained.length} that none can:`,
    ...open.map((place) => `  ${place}`),
    ...withReasons ? reasons : [],
    ...wrong.map((what) => `wrong in tests/world/coverage/reasons.ts: ${what}`),
  ];
}

/**
 * Files with their decisions, from the LCOV format. What lies in a function that was not called is
 * not there.
 */
export function coverageOf(lcov: string): FileCoverage[] {
  return lcov.split("end_of_record").flatMap((record) => {
    const [, source = ""] = /^SF:(.*)$/m.exec(record) ?? [];
    const file = DECIDING.find((one) => source.endsWith(`/${one}`));
    if (file === undefined) return [];
    const decisions = new Set<number>();
    const unreached = new Set<number>();
    const add = (line: number, count: string) => {
      decisions.add(line);
      if (count === "0" || count === "-") unreached.add(line);
    };
    const functions = new Map<string, number>();
    for (const [, line, name] of record.matchAll(/^FN:(\d+),(.*)$/gm)) {
      functions.set(name!, Number(line));
    }
    for (const [, count, name] of record.matchAll(/^FNDA:(\d+),(.*)$/gm)) {
      add(functions.get(name!)!, count!);
    }
    for (const [, line, count] of record.matchAll(/^BRDA:(\d+),\d+,\d+,(\d+|-)$/gm)) {
      add(Number(line), count!);
    }
    return [{ file, decisions, unreached }];
  });
}

/** Holds what was not reached against the reasons that are known. */
export function judge(
  files: readonly FileCoverage[],
  reasons: readonly Reason[],
  read: ReadText,
): Verdict {
  const verdict: Verdict = { open: [], explained: [], wrong: [] };
  const texts = new Map(files.map(({ file }) => [file, read(file)]));
  const unexplained = new Map(files.map(({ file, unreached }) => [file, new Set(unreached)]));
  for (const reason of reasons) {
    const { file, text } = reason;
    const lines = placeOf(reason, texts.get(file) ?? read(file));
    const covered = files.find((one) => one.file === file);
    if (lines === undefined) {
      verdict.wrong.push(`${file} does not have exactly once: ${text}`);
    } else if (covered && lines.some((line) => covered.unreached.has(line))) {
      for (const line of lines) unexplained.get(file)!.delete(line);
      verdict.explained.push(reason);
    } else if (covered && lines.some((line) => covered.decisions.has(line))) {
      verdict.wrong.push(`${file}:${lines[0]} was reached: ${text}`);
    }
  }
  for (const [file, lines] of unexplained) {
    const text = texts.get(file)!.split("\n");
    for (const line of [...lines].sort((a, b) => a - b)) {
      verdict.open.push(`${file}:${line}  ${text[line - 1]!.trim()}`);
    }
  }
  return verdict;
}

/** The lines that a reason is about; undefined if one of its texts is not there exactly once. */
export function placeOf({ text, until = text }: Reason, source: string): number[] | undefined {
  const first = linesOf(source, text)?.[0];
  const last = linesOf(source, until)?.at(-1);
  if (first === undefined || last === undefined || last < first) return undefined;
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** The lines on which a piece of a text stands; undefined unless it is there exactly once. */
function linesOf(text: string, piece: string): number[] | undefined {
  const at = text.indexOf(piece);
  if (piece === "" || at < 0 || text.indexOf(piece, at + 1) >= 0) return undefined;
  const first = text.slice(0, at).split("\n").length;
  return Array.from(piece.split("\n"), (_, i) => first + i);
}
