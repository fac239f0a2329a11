/**
 * Helpers for changing dead letters: their keys, reading and removing them, and missing
 * subscriptions.
 */
import type { SubscriptionManager } from "../delivery/manager.ts";
import { ConflictError } from "../base/errors.ts";
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { DeadLetterRecord, State, StateChange } from "../state/state.ts";
import { deadLetterName, splitDeadLetterName } from "../state/dead_letter_name.ts";

/** The key of one entry. */
export interface EntryKey {
  subscription: string;
  topic: string;
  id: string;
}

/** Entries moved or removed per transaction. */
const CHUNK = 200;
/** Most subscriptions that an error names. */
const NAMED = 10;

/**
 * The records of these keys that still exist, in the order of the keys. `upTo`: only those that were
 * added by then. Where the state is elsewhere, each page is as it was when it was read: whoever
 * changes them holds their subscriptions meanwhile.
 */
export function readEntries(
  state: Pick<State, "deadLetters">,
  keys: readonly EntryKey[],
  { upTo }: { upTo?: number | undefined } = {},
): MaybePromise<DeadLetterRecord[]> {
  const ids = keys.map(deadLetterName);
  const found = new Map<string, DeadLetterRecord>();
  const read = (after?: string): MaybePromise<DeadLetterRecord[]> =>
    whenReady(state.deadLetters({ ids, upTo }, { limit: CHUNK, after }), ({ records, next }) => {
      for (const record of records) found.set(keyOf(record), record);
      if (next !== undefined) return read(next);
      return keys.map((key) => found.get(keyOf(key))).filter((record) => record !== undefined);
    });
  return read();
}

/**
 * The number of the newest dead letter, 0 if there is none. One that is added later has a higher
 * one, also if the same event was among them before.
 */
export async function newestNumber(state: State): Promise<number> {
  const [newest] = await state.deadLetterKeys({ limit: 1, newest: true });
  return newest?.number ?? 0;
}

/** The key as one string. */
export function keyOf({ subscription, topic, id }: EntryKey): string {
  return `${subscription}\n${topic}\n${id}`;
}

/** The change that removes an entry. */
export function removal({ subscription, topic, id }: EntryKey): StateChange {
  return { op: "dead.remove", subscription, topic, id };
}

/** The edited copy of a dead letter: in delivery, or dead-lettered itself. */
export type EditedCopy = { pending: true } | { pending: false; record: DeadLetterRecord };

/**
 * The edited copy of a dead letter, if there is one. One that becomes a dead letter between the two
 * reads is seen by the second; one that is retried between them, by the first, which is repeated.
 */
export function copyOf(
  state: Pick<State, "deadLetters" | "retry">,
  { topic, editedAs }: Pick<DeadLetterRecord, "topic" | "editedAs">,
): MaybePromise<EditedCopy | undefined> {
  if (editedAs === undefined) return undefined;
  const key = { ...splitDeadLetterName(editedAs), topic };
  const pending = () => state.retry(key.subscription, topic, key.id);
  return whenReady(pending(), (retry) => {
    if (retry) return { pending: true } as const;
    const dead = readEntries(state, [key]);
    return whenReady(dead, ([record]): MaybePromise<EditedCopy | undefined> => {
      if (record) return { pending: false, record };
      // What was there all the time has been seen, if nothing could happen in between.
      if (!isPromise(dead)) return undefined;
      return whenReady(pending(), (retry) => retry && { pending: true });
    });
  });
}

/** Throws `ConflictError` if one of the subscriptions no longer exists. */
export function refuseGone(
  subscriptions: SubscriptionManager,
  { names, done }: { names: readonly string[]; done: string },
): void {
  const gone = names.filter((name) => !subscriptions.has(name));
  if (gone.length === 0) return;
  subscriptions.refuseClosed();
  const one = gone.length === 1;
  throw new ConflictError(
    `the subscription${one ? "" : "s"} ${gone.slice(0, NAMED).join(", ")} ${
      one ? "is" : "are"
    } gone; nothing was ${done}`,
    {
      code: "dead-letter/subscription-gone",
      hint: "add --to NAME to deliver to another subscription",
      details: { subscriptions: gone },
    },
  );
}

/** Splits items into parts that are small enough for one transaction. */
export function chunks<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += CHUNK) parts.push(items.slice(at, at + CHUNK));
  return parts;
}
