/** Errors for expectations that failed or cannot be checked. */
import { defined } from "../base/defined.ts";
import { ConflictError, InvalidArgumentError, UnsupportedError } from "../base/errors.ts";
import type { AppendOutcome, AppendRequest } from "../store/store.ts";

/** Throws if an expectation is given where no sequence numbers are kept. */
export function refuseExpected(expected: AppendRequest["expected"]): void {
  if (expected === undefined || expected === "any") return;
  throw new UnsupportedError("`expected` needs a topic and a store that keep sequence numbers", {
    hint: "publish without it, or make the topic persistent",
  });
}

/** The outcome of a stored request; throws if an expectation failed. */
export function assertStored(
  topic: string,
  outcome: AppendOutcome,
): Extract<AppendOutcome, { ok: true }> {
  if (outcome.ok) return outcome;
  throw expectationError(topic, outcome);
}

/** The error for an expectation that failed or cannot be judged. */
function expectationError(
  topic: string,
  outcome: Extract<AppendOutcome, { ok: false }>,
): ConflictError | InvalidArgumentError {
  const { expected, actual, subject, ids } = outcome;
  const wanted = typeof expected === "number" ? `seq ${expected}` : expected;
  if (subject === "keys") {
    return new InvalidArgumentError(
      `${topic}: ${wanted} was expected of events with several keys, and a seq is that of one key`,
      {
        details: { field: "expected", topic, expected },
        hint: "publish the events of each key by themselves, or expect none or exists of all keys",
      },
    );
  }
  if (subject === "ids") {
    return new ConflictError(
      `${topic}: expected ${wanted}, but of these events ${ids!.length} ${
        ids!.length === 1 ? "is" : "are"
      } stored already, and the others are not; nothing was stored`,
      {
        details: { topic, expected, actual, subject, ids },
        hint: "leave out the events that are already stored, or give them new ids",
      },
    );
  }
  return conflictError(topic, outcome);
}

/** The error for a last seq that is not what was expected; `element` names one of several events. */
export function conflictError(
  topic: string,
  { expected, actual, subject, key }: Extract<AppendOutcome, { ok: false }>,
  { element }: { element?: number } = {},
): ConflictError {
  const wanted = typeof expected === "number" ? `seq ${expected}` : expected;
  const whose = key === undefined ? `the ${subject}'s last seq` : `the last seq of the key ${key}`;
  return new ConflictError(
    `${
      element === undefined ? "" : `element ${element}: `
    }${topic}: expected ${wanted}, but ${whose} is ${
      actual === 0 ? "none" : actual
    }; nothing was stored`,
    {
      details: defined({ topic, expected, actual, subject, key, element }),
      hint: "read what came in between, then publish with the seq that it has now",
    },
  );
}
