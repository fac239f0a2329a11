/**
 * The output for a monitoring system: one line and an exit code, like Nagios plug-ins
 * (https://nagios-plugins.org/doc/guidelines.html): `LEVEL - words | name=value;warn;crit`.
 */
import {
  EvsError,
  InvalidArgumentError,
  NoDaemonError,
  NotAnsweringError,
} from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { count } from "../cli/define.ts";
import { escapeText } from "../terminal/escape.ts";

/** The levels, by exit code; these differ from the exit codes of other commands. */
export const LEVELS = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;

/** See {@link LEVELS}. */
export type CheckLevel = (typeof LEVELS)[number];

/** Two limits. A check gets worse with larger numbers (`high`) or with smaller ones (`low`). */
export interface Limits {
  warn: number;
  crit: number;
}

/** `--warn` and `--crit` for counts. */
export const countLimits = {
  warn: { kind: "parsed", parse: count, brief: "WARNING from this number", placeholder: "N" },
  crit: { kind: "parsed", parse: count, brief: "CRITICAL from this number", placeholder: "N" },
} as const;

/** The result of a check. */
export interface CheckFinding {
  level: CheckLevel;
  words: string;
  /** Values for graphs, by name. */
  measures: Record<string, { value: number; unit?: string; limits?: Limits }>;
}

/** The level of a number. Pure. */
export function levelOf(value: number, { warn, crit }: Limits, worse: "high" | "low"): CheckLevel {
  const reaches = (limit: number) => worse === "high" ? value >= limit : value <= limit;
  return reaches(crit) ? "CRITICAL" : reaches(warn) ? "WARNING" : "OK";
}

/** Contradictory limits are an error in the command line. */
export function assertLimits({ warn, crit }: Limits, worse: "high" | "low"): void {
  if (worse === "high" ? warn <= crit : warn >= crit) return;
  throw wrongUsage(
    `--warn (${warn}) comes before --crit (${crit})${
      worse === "high" ? "" : " as what is left falls"
    }: it is the ${worse === "high" ? "lower" : "higher"} of the two`,
  );
}

/** An invalid command line. The usual code 2 would be read as CRITICAL. */
export function wrongUsage(message: string, hint = "evs check --help"): EvsError {
  return new EvsError(
    { code: "argument/usage", status: 400, exit: LEVELS.indexOf("UNKNOWN") },
    message,
    { hint },
  );
}

/** The line. Pure. */
export function formatFinding({ level, words, measures }: CheckFinding): string {
  const drawn = Object.entries(measures).map(([name, { value, unit = "", limits }]) =>
    `'${name.replaceAll(/['=]/g, "_")}'=${value}${unit}` +
    (limits === undefined ? "" : `;${limits.warn};${limits.crit}`)
  );
  return `${level} - ${words}${drawn.length === 0 ? "" : ` | ${drawn.join(" ")}`}`;
}

/**
 * Runs a check. Whatever happens, it prints a line on stdout and uses one of the four exit codes.
 */
export async function runCheck(
  context: EvsContext,
  look: () => Promise<CheckFinding>,
): Promise<void> {
  let finding: CheckFinding;
  try {
    finding = await look();
  } catch (error) {
    // An invalid command line is reported as usual; a missing daemon is a result of the check.
    if (!(error instanceof EvsError)) throw error;
    if (error instanceof InvalidArgumentError) throw wrongUsage(error.message, error.hint);
    const level = error instanceof NoDaemonError || error instanceof NotAnsweringError
      ? "CRITICAL"
      : "UNKNOWN";
    finding = { level, words: error.message, measures: {} };
  }
  context.exitCode = LEVELS.indexOf(finding.level);
  if (context.json) context.printJson(finding);
  else context.print(escapeText(formatFinding(finding)));
}
