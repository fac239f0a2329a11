/** A stored retry as the entry of a queue. */
import { type WaitingRetry, waitLeft } from "../state/records.ts";
import { Entry, type Now } from "./entry.ts";

/** A retry as an entry. `size`: bytes of its line, if known. */
export function retryEntry(retry: WaitingRetry, now: Now, size = 4096): Entry {
  const { topic, seq, key, id, type } = retry;
  const entry = Entry.ofRetry({ topic, seq, key, size }, { id, type });
  entry.part = retry.part ?? 0;
  entry.nextAttempt = retry.nextAttempt;
  entry.failures = retry.failures;
  entry.dueMono = now.mono + waitLeft(retry, now.wall);
  return entry;
}
