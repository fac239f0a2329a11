/** Errors for expectations that failed or cannot be checked. */
import { defined } from "../base/defined.ts";
import {
  ConflictError,
  EventRefusedError,
  InvalidArgumentError,
  UnsupportedError,
} from "../base/errors.ts";
import { eventsOf, type StoreRequest } from "../store/pack.ts";
import type {
  AppendOutcome,
  AppendRequest,
  Condition,
  Expected,
  JournalStore,
} from "../store/store.ts";

/** Throws if an expectation is given where no sequence numbers are kept. */
export function refuseExpected(expected: AppendRequest["expected"]): void {
  if (expected === undefined || expected === "any") return;
  throw new UnsupportedError("`expected` needs a topic and a store that keep sequence numbers", {
    hint: "publish without it, or make the topic persistent",
  });
}

/** Throws if a number within a key is expected of a store that does not count. */
export function refuseUncounted(
  store: JournalStore,
  expectations: readonly Pick<Condition, "expected">[],
): void {
  if (store.countsKeys || !expectations.some(({ expected }) => typeof expected === "object")) {
    return;
  }
  throw new UnsupportedError("a keySeq needs a store that counts the events of keys", {
    hint: "expect the last seq of the key instead",
  });
}

/** Throws if a number within a key is expected where it cannot be: see {@link refuseUncounted}. */
export function refuseUncountable(store: JournalStore, request: StoreRequest): void {
  refuseUncounted(store, [{ expected: request.expected! }]);
  if (eventsOf(request).some(({ key }) => key === undefined)) throw keyMissing();
}

/** The error for an event of whose key something is expected, and which has none. */
export function keyMissing(): EventRefusedError {
  return new EventRefusedError(
    "event/invalid-envelope",
    "something is expected of the event's key, and it has none",
    {
      details: { field: "expected" },
      hint: "give the event a key, or expect it of the topic",
    },
  );
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
  const wanted = wantedOf(expected);
  if (subject === "keys") {
    const what = typeof expected === "object" ? "keySeq" : "seq";
    return new InvalidArgumentError(
      `${topic}: ${wanted} was expected of events with several keys, and a ${what} is that of one key`,
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
  const wanted = wantedOf(expected);
  const what = typeof expected === "object" ? "keySeq" : "seq";
  const whose = key === undefined
    ? `the ${subject}'s last ${what}`
    : `the last ${what} of the key ${key}`;
  return new ConflictError(
    `${
      element === undefined ? "" : `element ${element}: `
    }${topic}: expected ${wanted}, but ${whose} is ${
      actual === 0 ? "none" : actual
    }; nothing was stored`,
    {
      details: defined({ topic, expected, actual, subject, key, element }),
      hint: `read what came in between, then publish with the ${what} that it has now`,
    },
  );
}

function wantedOf(expected: Expected): string {
  if (typeof expected === "object") return `keySeq ${expected.keySeq}`;
  return typeof expected === "number" ? `seq ${expected}` : expected;
}
