/**
 * What an append decides, for every store: expectations, repeated ids, sequence numbers. The store answers three
 * questions and takes the events; so all stores decide alike.
 */
import type { Event, NewEvent } from "../event/event.ts";
import { eventsOf, type StoreRequest } from "./pack.ts";
import type { AppendOutcome, AppendRequest, EventQuery, Expected } from "./store.ts";

/** For how long a given id is looked up. */
export interface DedupWindow {
  /** Milliseconds; default 24 h. */
  dedupWindow?: number;
}

/** What a store tells about one topic while it appends. */
export interface AppendView {
  /** The last seq given on the topic. */
  lastSeq: number;
  /** The last seq of a key; 0 when it has none. */
  lastSeqOfKey(key: string): number;
  /** The seq that a given id got, within the dedup window. Must see what `store` took in this very append. */
  seqOfGivenId(id: string): number | undefined;
  /** Takes an event; called in order. */
  store(seq: number, event: NewEvent): void;
}

/** Decides one request and stores what is to be stored. */
export function decideAppend(request: StoreRequest, view: AppendView): AppendOutcome {
  const events = eventsOf(request);
  const conflict = checkExpected({ ...request, events }, view);
  if (conflict) return conflict;
  const duplicates: { index: number; seq: number }[] = [];
  const first = view.lastSeq + 1;
  let seq = view.lastSeq;
  for (let index = 0; index < events.length; index++) {
    const event = events[index]!;
    if (event.idGiven) {
      const seen = view.seqOfGivenId(event.id);
      if (seen !== undefined) {
        duplicates.push({ index, seq: seen });
        continue;
      }
    }
    view.store(++seq, event);
  }
  const count = seq - first + 1;
  return {
    ok: true,
    count,
    firstSeq: count > 0 ? first : 0,
    lastSeq: count > 0 ? seq : 0,
    duplicates,
  };
}

function checkExpected(request: AppendRequest, view: AppendView): AppendOutcome | undefined {
  const expected = request.expected ?? "any";
  if (expected === "any") return undefined;
  // A repeat of what was stored under this very expectation is a repeat, not a conflict: the first attempt's answer
  // may have been lost on its way.
  if (request.events.every((e) => e.idGiven && view.seqOfGivenId(e.id) !== undefined)) {
    return undefined;
  }
  const key = request.events[0]?.key;
  const actual = key === undefined ? view.lastSeq : view.lastSeqOfKey(key);
  if (meets(expected, actual)) return undefined;
  return { ok: false, expected, actual, subject: key === undefined ? "topic" : "key" };
}

/** True when the last seq is what was expected. */
export function meets(expected: Expected, actual: number): boolean {
  switch (expected) {
    case "any":
      return true;
    case "none":
      return actual === 0;
    case "exists":
      return actual > 0;
    default:
      return actual === expected;
  }
}

const encoder = new TextEncoder();

/** What an event counts towards `maxBytes`: the bytes of its payload and metadata. */
export function sizeOf(event: { payload: Uint8Array; metadata: string }): number {
  return event.payload.length + metadataBytes(event.metadata, 0);
}

/** The bytes of a metadata column's element. */
export function metadataBytes(metadata: string | readonly string[], i: number): number {
  const text = typeof metadata === "string" ? metadata : metadata[i]!;
  return text === "{}" ? 2 : encoder.encode(text).length;
}

/** The append that `saveEvent` stands for: the event keeps its id, and its `seq` is assigned anew. */
export function eventsToSave(event: Event): AppendRequest {
  return {
    topic: event.topic,
    events: [{
      id: event.id,
      idGiven: true,
      type: event.type,
      timestamp: event.timestamp,
      schemaVersion: event.schemaVersion,
      ...(event.key === undefined ? {} : { key: event.key }),
      metadata: JSON.stringify(event.metadata ?? {}),
      payload: encoder.encode(JSON.stringify(event.payload)),
    }],
  };
}

/** True when `getEvents` with these options returns the event. */
export function selects(
  query: EventQuery,
  event: { timestamp: number; type: string },
): boolean {
  return (query.fromTimestamp === undefined || event.timestamp >= query.fromTimestamp) &&
    (query.toTimestamp === undefined || event.timestamp <= query.toTimestamp) &&
    (!query.eventTypes?.length || query.eventTypes.includes(event.type));
}
