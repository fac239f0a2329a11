/**
 * Helpers for changing dead letters: their keys, reading and removing them, and missing
 * subscriptions.
 */
import type { SubscriptionManager } from "../delivery/manager.ts";
import { ConflictError } from "../base/errors.ts";
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
 * added by then.
 */
export function readEntries(
  state: State,
  keys: readonly EntryKey[],
  { upTo }: { upTo?: number | undefined } = {},
): DeadLetterRecord[] {
  const ids = keys.map(deadLetterName);
  const found = new Map<string, DeadLetterRecord>();
  let after: string | undefined;
  do {
    const page = state.deadLetters({ ids, upTo }, { limit: CHUNK, after });
    for (const record of page.records) found.set(keyOf(record), record);
    after = page.next;
  } while (after !== undefined);
  return keys.map((key) => found.get(keyOf(key))).filter((record) => record !== undefined);
}

/** The key as one string. */
export function keyOf({ subscription, topic, id }: EntryKey): string {
  return `${subscription}\n${topic}\n${id}`;
}

/** The change that removes an entry. */
export function removal({ subscription, topic, id }: EntryKey): StateChange {
  return { op: "dead.remove", subscription, topic, id };
}

/** The edited copy of a dead letter, if there is one: in delivery, or dead-lettered itself. */
export function copyOf(
  state: State,
  { topic, editedAs }: DeadLetterRecord,
): { pending: true } | { pending: false; record: DeadLetterRecord } | undefined {
  if (editedAs === undefined) return undefined;
  const key = { ...splitDeadLetterName(editedAs), topic };
  if (state.retry(key.subscription, topic, key.id)) return { pending: true };
  const [record] = readEntries(state, [key]);
  return record && { pending: false, record };
}

/** Throws `ConflictError` if one of the subscriptions no longer exists. */
export function refuseGone(
  subscriptions: SubscriptionManager,
  { names, done }: { names: readonly string[]; done: string },
): void {
  const gone = names.filter((name) => !subscriptions.has(name));
  if (gone.length === 0) return;
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
