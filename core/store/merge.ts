/**
 * Merges requests that share an append: sixty-four publishers of one event each cost about as much
 * as one publisher of sixty-four. Only neighbouring requests of one topic that need no lookups are
 * merged; neither the stored events nor the answers show it.
 */
import { isPacked, type StoreRequest } from "./pack.ts";
import type { AppendOutcome, AppendRequest } from "./store.ts";

/** The merged requests, and how many of the original ones each stands for. */
export interface Merged {
  requests: StoreRequest[];
  spans: number[];
}

/** Merges what can be merged. */
export function merge(requests: readonly StoreRequest[]): Merged {
  const merged: StoreRequest[] = [];
  const spans: number[] = [];
  for (let i = 0; i < requests.length;) {
    const first = requests[i]!;
    let end = i + 1;
    if (takesEach(first)) {
      while (end < requests.length && joins(first, requests[end]!)) end++;
    }
    if (end === i + 1) merged.push(first);
    else {
      const all = requests.slice(i, end) as AppendRequest[];
      merged.push({ topic: first.topic, events: all.flatMap(({ events }) => events) });
    }
    spans.push(end - i);
    i = end;
  }
  return { requests: merged, spans };
}

/** The outcome of each original request. */
export function splitOutcomes(
  outcomes: readonly AppendOutcome[],
  { requests, spans }: { requests: readonly StoreRequest[]; spans: readonly number[] },
): AppendOutcome[] {
  let at = 0;
  return outcomes.flatMap((outcome, i) => {
    const span = spans[i]!;
    const from = at;
    at += span;
    // Merged requests store all of their events: none can fail by itself, and none is a repeat.
    if (span === 1 || !outcome.ok) return new Array<AppendOutcome>(span).fill(outcome);
    let next = outcome.firstSeq;
    let done = 0;
    return requests.slice(from, at).map((request): AppendOutcome => {
      const count = (request as AppendRequest).events.length;
      const firstSeq = next;
      next += count;
      const keySeqs = outcome.keySeqs?.slice(done, done += count);
      const stored = { ok: true, count, firstSeq, lastSeq: next - 1, duplicates: [] } as const;
      // As if it had been appended by itself.
      return keySeqs?.some((keySeq) => keySeq > 0) ? { ...stored, keySeqs } : stored;
    });
  });
}

function joins(first: StoreRequest, request: StoreRequest): boolean {
  return request.topic === first.topic && takesEach(request);
}

/** True if the request needs no lookups: every event is stored, in order. */
function takesEach(request: StoreRequest): boolean {
  return !isPacked(request) && (request.expected ?? "any") === "any" && request.events.length > 0 &&
    request.events.every((event) => !event.idGiven);
}
