/**
 * The rows of retries whose answers come late. A lease that is in force has its row with it, from
 * when it was given out. One that ended with its consumer's connection may still be answered, and
 * then a new lease is made for its event, whose row has to be read.
 *
 * Settling is decided at once, from memory, so these rows are there before: read in the turn of the
 * queue, in which nothing else of it is committed, so a row that was read stays true until the
 * decision. What is not committed goes on meanwhile. Leases are given out and connections close, so
 * other rows may be needed by the time that these have come; they are read, too, before anything is
 * decided.
 */
import { isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { RetryRecord } from "../state/state.ts";
import type { Ledger } from "./committer.ts";
import type { Entry } from "./entry.ts";
import type { Settlement } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";

/** Returns the row of a retry that a late answer is for. */
export type RecordOf = (entry: Entry) => RetryRecord | undefined;

const noRecord: RecordOf = () => undefined;

/**
 * Calls `plan` with the rows that these settlements need: at once, unless a row comes later. Throws
 * or rejects, with nothing changed, if one cannot be read.
 */
export function withLateRecords<T>(
  { queue, ledger }: { queue: DeliveryQueue; ledger: Pick<Ledger, "retry"> },
  items: readonly Settlement[],
  plan: (recordOf: RecordOf) => T,
): MaybePromise<T> {
  // Nearly always: nobody has lost a lease.
  if (queue.returned.size === 0) return plan(noRecord);
  const records = new Map<Entry, RetryRecord | undefined>();
  const step = (): MaybePromise<T> => {
    const coming: Promise<unknown>[] = [];
    for (const entry of lateRetries(queue, items)) {
      if (records.has(entry)) continue;
      const row = ledger.retry(entry.topic, entry.id);
      if (isPromise(row)) coming.push(row.then((record) => records.set(entry, record)));
      else records.set(entry, row);
    }
    if (coming.length > 0) return Promise.all(coming).then(step);
    return plan((entry) => records.get(entry));
  };
  return step();
}

/** The retries whose leases were lost and are answered, unless somebody has them with their rows. */
function lateRetries(queue: DeliveryQueue, items: readonly Settlement[]): Entry[] {
  return items.flatMap(({ lease }) => {
    const entry = queue.returned.get(lease)?.entry;
    return entry?.kind === "retry" && entry.lease?.record === undefined ? [entry] : [];
  });
}
