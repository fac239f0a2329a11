/**
 * Why a handler failed, from what it threw. Kept out of `thrown.ts`, which every start of `evs`
 * loads.
 */
import { stripAnsi } from "./ansi.ts";
import { attempt, isA, thrownText, UNREADABLE } from "./thrown.ts";
import { truncate } from "./truncate.ts";

/** How many causes in a chain are followed. */
const CAUSES = 10;

/** Why a handler failed: what was thrown, plus its root cause if that says more. */
export function thrownReason(thrown: unknown): string {
  const said = thrownText(thrown);
  const root = rootCause(thrown);
  const why = root === undefined ? "" : thrownText(root);
  const whole = said.includes(why) ? said : truncate(`${said}; caused by ${why}`);
  return stripAnsi(whole) || UNREADABLE;
}

/** The last error in a chain of causes; for an `AggregateError`, its first error. */
function rootCause(thrown: unknown): unknown {
  let found: unknown;
  let error = thrown;
  for (let depth = 0; depth < CAUSES && isA(error, Error); depth++) {
    const inner = error;
    const cause = attempt(() => inner.cause) ??
      attempt(() => inner instanceof AggregateError ? inner.errors[0] : undefined);
    if (cause === undefined || cause === null) break;
    found = error = cause;
  }
  return found;
}
