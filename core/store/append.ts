/**
 * Decides appends, for every store: expectations, repeated ids, sequence numbers. A store only
 * answers three questions and stores the events, so all stores decide alike.
 */
import { assertTopicName } from "../event/topic_options.ts";
import { assertObject, assertText } from "../base/options.ts";
import type { Event, NewEvent } from "../event/event.ts";
import { type GivenIds, seqOfRepeat } from "./dedup.ts";
import { eventsOf, type StoreRequest } from "./pack.ts";
import { type KeyCounts, KeyNumbers } from "./key_seqs.ts";
import type { AppendOutcome, AppendRequest, EventQuery, Expected } from "./store.ts";

/** What a store provides about one topic during an append. */
export interface AppendView extends GivenIds, Partial<KeyCounts> {
  /** The last seq assigned in the topic. */
  lastSeq: number;
  /** The last seq of a key; 0 if it has none. */
  lastSeqOfKey(key: string): number;
  /** Stores an event; called in order. */
  store(seq: number, event: NewEvent): void;
}

/**
 * Decides one request and stores its events.
 *
 * ```ts
 * import type { StoreRequest } from "@env/env-event-stream";
 *
 * declare const view: AppendView; // what your store knows of the topic
 * declare const request: StoreRequest;
 * const outcome = decideAppend(request, view); // stores through `view.store`
 * ```
 */
export function decideAppend(request: StoreRequest, view: AppendView): AppendOutcome {
  const events = eventsOf(request);
  const conflict = checkExpected({ ...request, events }, view);
  if (conflict) return conflict;
  const duplicates: { index: number; seq: number }[] = [];
  const numbers = keyNumbers(events, view);
  const keySeqs: number[] = [];
  const stored: number[] = [];
  const first = view.lastSeq + 1;
  let seq = view.lastSeq;
  for (let index = 0; index < events.length; index++) {
    const event = events[index]!;
    const seen = seqOfRepeat(event, view);
    if (seen !== undefined) {
      duplicates.push({ index, seq: seen });
      if (numbers) keySeqs.push(seen < first ? numbers.keySeqAt(seen) : stored[seen - first]!);
      continue;
    }
    const numbered = numbers?.keys.numbered(event) ?? event;
    view.store(++seq, numbered);
    if (!numbers) continue;
    keySeqs.push(numbered.keySeq ?? 0);
    stored.push(numbered.keySeq ?? 0);
  }
  const count = seq - first + 1;
  return {
    ok: true,
    count,
    firstSeq: count > 0 ? first : 0,
    lastSeq: count > 0 ? seq : 0,
    duplicates,
    ...numbers ? { keySeqs } : {},
  };
}

/** What numbers the events; undefined if none has a key, or the store does not count. */
function keyNumbers(
  events: readonly NewEvent[],
  { keySeqOfKey, keySeqAt, firstSeq = 1 }: AppendView,
): { keys: KeyNumbers; keySeqAt: KeyCounts["keySeqAt"] } | undefined {
  if (!keySeqOfKey || !keySeqAt || events.every(({ key }) => key === undefined)) return undefined;
  return { keys: new KeyNumbers({ keySeqOfKey, keySeqAt, firstSeq }), keySeqAt };
}

/**
 * Checks the expectation for every key of the events, and for the topic if some have no key. Events
 * that are already stored come first. If all of them are, this repeats a request that was stored
 * under this same expectation and whose answer may have been lost. If only some are, they belong to
 * another request, and the rest cannot be judged.
 */
function checkExpected(request: AppendRequest, view: AppendView): AppendOutcome | undefined {
  const { events, expected = "any" } = request;
  if (expected === "any" || events.length === 0) return undefined;
  const known = events.filter(({ id, idGiven }) => idGiven && view.seqOfGivenId(id) !== undefined);
  if (known.length === events.length) return undefined;
  const failed = { ok: false, expected } as const;
  if (known.length > 0) {
    return {
      ...failed,
      actual: view.lastSeq,
      subject: "ids",
      ids: known.map(({ id }) => id),
    };
  }
  const keys = new Set(events.map(({ key }) => key));
  const isOfOneKey = typeof expected === "number" || typeof expected === "object";
  if (keys.size > 1 && isOfOneKey) {
    return { ...failed, actual: view.lastSeq, subject: "keys" };
  }
  for (const key of keys) {
    const actual = actualOf(view, { key, expected });
    if (meets(expected, actual)) continue;
    if (key === undefined) return { ...failed, actual, subject: "topic" };
    return { ...failed, actual, subject: "key", ...(keys.size > 1 ? { key } : {}) };
  }
  return undefined;
}

/** What is compared with the expectation. */
export function actualOf(
  view: Omit<AppendView, "store">,
  { key, expected }: { key?: string | undefined; expected: Expected },
): number {
  if (key === undefined) return view.lastSeq;
  const last = view.lastSeqOfKey(key);
  if (typeof expected !== "object") return last;
  const number = view.keySeqOfKey?.(key) ?? 0;
  // Under this key nothing may be left because it was redacted: then its number counts. One of a
  // key whose events were deleted may be remembered, too, and is below the topic's first seq.
  return last > 0 || number >= (view.firstSeq ?? 1) ? number : 0;
}

/** True if what {@link actualOf} returns meets the expectation. */
export function meets(expected: Expected, actual: number): boolean {
  if (typeof expected === "object") return actual === expected.keySeq;
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

/** The bytes of one element of a metadata column. */
export function metadataBytes(metadata: string | readonly string[], i: number): number {
  const text = typeof metadata === "string" ? metadata : metadata[i]!;
  return text === "{}" ? 2 : encoder.encode(text).length;
}

/** The append for `saveEvent`: the event keeps its id and gets a new `seq`. */
export function eventsToSave(event: Event): AppendRequest {
  const { topic, id, type } = assertObject(event, "an event");
  assertText(id, "the id of an event");
  assertText(type, "the type of an event");
  return {
    topic: assertTopicName(topic),
    events: [{
      id: event.id,
      idGiven: true,
      type: event.type,
      timestamp: event.timestamp,
      schemaVersion: event.schemaVersion,
      key: event.key,
      expiresAt: event.expiresAt,
      metadata: JSON.stringify(event.metadata ?? {}),
      payload: encoder.encode(JSON.stringify(event.payload)),
    }],
  };
}

/** True if `getEvents` with these options returns the event. */
export function selects(
  query: EventQuery,
  event: { timestamp: number; type: string },
): boolean {
  return (query.fromTimestamp === undefined || event.timestamp >= query.fromTimestamp) &&
    (query.toTimestamp === undefined || event.timestamp <= query.toTimestamp) &&
    (!query.eventTypes?.length || query.eventTypes.includes(event.type));
}
