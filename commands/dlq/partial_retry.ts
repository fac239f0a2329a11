/**
 * A retry that ended midway: exactly how many dead letters were sent again, which were not, and what
 * to type for them.
 */
import { EvsError } from "../../core/base/errors.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { plural } from "../terminal/table.ts";

/** How far a retry got. */
export interface PartialRetry {
  /** How many were sent again. */
  sent: number;
  /** How many were not, and of how many it is not known: dead letters, or ids. */
  notSent: number;
  unknown: number;
  unit: "dead letter" | "id";
  /** The ids that were given and not sent; undefined if none were given. */
  left: readonly string[] | undefined;
}

/**
 * The longest command line in a hint, in characters. It stays below the length at which errors
 * truncate their texts (core/base/truncate.ts): half a command must not be typed.
 */
const LONGEST_HINT = 3_000;

/** The error to end with. `flags`: those to repeat with the ids. */
export function partialRetryError(
  error: EvsError,
  { partial, flags }: {
    partial: PartialRetry;
    flags: Readonly<Record<string, string | undefined>>;
  },
): EvsError {
  const { sent, notSent, unknown, unit, left } = partial;
  const { code, status, exit, details } = error;
  const parts = [
    `sent again: ${plural(sent, "dead letter")}`,
    ...(unknown > 0 ? [`unknown: ${plural(unknown, unit)}`] : []),
    `not sent: ${plural(notSent, unit)}`,
  ];
  return new EvsError(
    { code, status, exit },
    `${whyOf(error)}; ${parts.join("; ")}`,
    {
      hint: hintFor(partial, flags),
      details: { ...details, done: sent, notSent, unknown, ...(left ? { left: [...left] } : {}) },
      cause: error,
    },
  );
}

/** The daemon's own words count only what it was asked last: `done` of that. */
function whyOf({ code, message, details }: EvsError): string {
  const isFull = code === "store/disk-full" || typeof details?.["done"] === "number";
  return isFull ? "no room for all of it" : message;
}

function hintFor(
  { left, unknown }: PartialRetry,
  flags: Readonly<Record<string, string | undefined>>,
): string {
  if (left === undefined) return "the same again: what was sent has left the queue";
  const shown = "evs dlq list shows whether those are still there";
  if (left.length === 0) return shown;
  const look = unknown > 0 ? `${shown}; then ` : "";
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, shellQuote(value)]
  );
  const words = ["evs", "dlq", "retry", ...left.map(shellQuote), ...given].join(" ");
  return words.length + look.length <= LONGEST_HINT
    ? `${look}${words}`
    : `${look}evs dlq retry with the ids that were not sent: --json lists them as error.details.left`;
}
