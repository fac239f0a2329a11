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
  /** How many were not. */
  notSent: number;
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
  const { sent, notSent, left } = partial;
  const { code, status, exit, details } = error;
  return new EvsError(
    { code, status, exit },
    `no room for all of it; sent again: ${plural(sent, "dead letter")}; not sent: ${
      plural(notSent, "dead letter")
    }`,
    {
      hint: hintFor(partial, flags),
      details: { ...details, done: sent, notSent, ...(left ? { left: [...left] } : {}) },
      cause: error,
    },
  );
}

function hintFor(
  { left }: PartialRetry,
  flags: Readonly<Record<string, string | undefined>>,
): string {
  if (left === undefined) return "the same again: what was sent has left the queue";
  if (left.length === 0) return "evs dlq list shows whether those are still there";
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, shellQuote(value)]
  );
  const words = ["evs", "dlq", "retry", ...left.map(shellQuote), ...given].join(" ");
  return words.length <= LONGEST_HINT
    ? words
    : `evs dlq retry with the ids that were not sent: --json lists them as error.details.left`;
}
