/** The conditions of `evs alert` as they are typed: `>0`, `>=5m`, `<10%`. Pure. */
import { parseDuration } from "../../core/base/units.ts";
import { parseRoom } from "../check/disk.ts";
import { count } from "../cli/define.ts";

/** What is measured: the checks of `evs check`, the nodes of a database, and how the daemon is. */
export const MEASURES = [
  "dlq",
  "lag",
  "age",
  "leased",
  "refused",
  "disk",
  "nodes",
  "snapshot",
  "degraded",
  "down",
] as const;

/** Those that hold or do not: the limit is for how long. */
const LASTING: ReadonlySet<Measure> = new Set(["degraded", "down"]);

/** True if the limit of a measure is how long it has to hold. */
export function isLasting(measure: Measure): boolean {
  return LASTING.has(measure);
}

/** What is the same whichever node of a database is asked: one `evs alert` of all tells it. */
const OF_ALL_NODES: ReadonlySet<Measure> = new Set([
  "dlq",
  "lag",
  "age",
  "leased",
  "nodes",
  "snapshot",
]);

/** True if a measure is of the database that nodes share. */
export function isOfAllNodes(measure: Measure): boolean {
  return OF_ALL_NODES.has(measure);
}

/** See {@link MEASURES}. */
export type Measure = (typeof MEASURES)[number];

/** What the numbers of a limit are. Durations are ms. */
export type Unit = "count" | "ms" | "percent" | "bytes";

/** A limit, and on which side of it a condition holds. */
export interface Limit {
  comparison: ">" | ">=" | "<" | "<=";
  value: number;
  unit: Unit;
  /** As it was typed. */
  text: string;
}

/** The limits that were given. */
export type WatchedLimits = { [measure in Measure]?: Limit };

/** How a measure's limit is written. */
interface Grammar {
  worse: "high" | "low";
  example: string;
  amount: (text: string) => { value: number; unit: Unit };
}

const counted = (text: string) => ({ value: count(text), unit: "count" as const });

const timed = (what: string) => (text: string) => ({
  value: parseDuration(text, what),
  unit: "ms" as const,
});

function room(text: string): { value: number; unit: Unit } {
  const parsed = parseRoom(text);
  return "percent" in parsed
    ? { value: parsed.percent, unit: "percent" }
    : { value: parsed.bytes, unit: "bytes" };
}

const GRAMMARS: Readonly<Record<Measure, Grammar>> = {
  dlq: { worse: "high", example: ">0", amount: counted },
  lag: { worse: "high", example: ">1000", amount: counted },
  age: { worse: "high", example: ">5m", amount: timed("an age") },
  leased: { worse: "high", example: ">10m", amount: timed("that time") },
  refused: { worse: "high", example: ">0", amount: counted },
  disk: { worse: "low", example: "<10%", amount: room },
  nodes: { worse: "low", example: "<3", amount: counted },
  snapshot: { worse: "high", example: ">10m", amount: timed("an age") },
  degraded: { worse: "high", example: ">1m", amount: timed("that time") },
  down: { worse: "high", example: ">10s", amount: timed("that time") },
};

/** Reads the limit of a measure. Throws `SyntaxError` or `InvalidArgumentError`. */
export function parseLimit(measure: Measure, text: string): Limit {
  const { worse, example, amount } = GRAMMARS[measure];
  const [, comparison = "", rest = ""] = /^(>=|>|<=|<)?\s*(.*)$/s.exec(text) ?? [];
  const [sign, direction] = worse === "high" ? [">", "more"] : ["<", "less"];
  if (!comparison.startsWith(sign)) {
    throw new SyntaxError(
      `what is told is ${direction} than a limit, so it begins with ${sign} or ${sign}=, as in '${example}', in quotes`,
    );
  }
  try {
    return { comparison: comparison as Limit["comparison"], ...amount(rest), text };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new SyntaxError(`${error.message}; for example '${example}', in quotes`, {
      cause: error,
    });
  }
}

/** True while the condition holds. */
export function isPast({ comparison, value: limit }: Limit, value: number): boolean {
  switch (comparison) {
    case ">":
      return value > limit;
    case ">=":
      return value >= limit;
    case "<":
      return value < limit;
    case "<=":
      return value <= limit;
  }
}
