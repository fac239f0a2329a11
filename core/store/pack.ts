/**
 * Append requests as columns, the form in which many events travel together.
 *
 * An object per event costs more than storing it, and a structured clone of a thousand small
 * objects more than both. So the daemon builds packed requests straight from a publisher's bytes,
 * and other requests are packed before they go to the writing thread: payloads are in one buffer
 * that is transferred without a copy, and a column whose values are all equal is a single value.
 */
import type { NewEvent } from "../event/event.ts";
import { OWN_ID_BYTES } from "../event/id.ts";
import type { AppendRequest, CheckedUnder, Expected } from "./store.ts";

/** One {@link AppendRequest} as columns. */
export interface PackedRequest {
  /** The topic to append to. */
  topic: string;
  /** As in an {@link AppendRequest}. */
  expected?: Expected;
  /** As in an {@link AppendRequest}. @internal */
  under?: CheckedUnder;
  /** The number of events. */
  count: number;
  /**
   * The ids: ASCII, {@link OWN_ID_BYTES} each, if we generated all of them and they ascend; else
   * text, joined by line feeds (an id contains none).
   */
  ids: Uint8Array | string;
  /** One byte per event: 1 if the publisher gave the id. Absent if none was given. */
  given?: Uint8Array;
  /** One for all, or one each. */
  types: string | string[];
  /** Unix ms, one for all or one each. */
  timestamps: number | Float64Array;
  /** Schema versions, one for all or one each. */
  versions: string | string[];
  /** Absent if no event has a key. */
  keys?: string | (string | undefined)[];
  /** When the events expire, Unix ms, one for all or one each. Absent if none does. */
  expires?: number | (number | undefined)[];
  /** JSON text, one for all or one each. */
  metadata: string | string[];
  /**
   * The buffer with the payloads, and possibly other bytes between them. It is transferred with the
   * request: see {@link buffersOf}.
   */
  payloads: Uint8Array;
  /** Payload i is `payloads.subarray(bounds[2 * i], bounds[2 * i + 1])`. */
  bounds: Uint32Array;
}

/**
 * What a store is asked to append. A packed request can be used once: its buffers are gone when
 * `append` returns.
 */
export type StoreRequest = AppendRequest | PackedRequest;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** True for a request in columns. */
export function isPacked(request: StoreRequest): request is PackedRequest {
  return !("events" in request);
}

/** How many events a request has. */
export function countOf(request: StoreRequest): number {
  return isPacked(request) ? request.count : request.events.length;
}

/** True if no lookups are needed: every event is stored, in order. */
export function takesAll(request: PackedRequest): boolean {
  return request.count > 0 && !request.given && (request.expected ?? "any") === "any";
}

/** Approximate bytes of its payloads, for limits on memory. */
export function payloadBytesOf(request: StoreRequest): number {
  if (isPacked(request)) return request.payloads.length;
  let bytes = 0;
  for (const event of request.events) bytes += event.payload.length;
  return bytes;
}

/**
 * The request's events, one by one. The payloads of a packed one are views of its buffer.
 *
 * ```ts
 * declare const request: StoreRequest; // what `append` of your store was given
 * for (const { id, type, payload } of eventsOf(request)) console.log(id, type, payload.length);
 * ```
 */
export function eventsOf(request: StoreRequest): readonly NewEvent[] {
  return isPacked(request) ? unpack(request).events : request.events;
}

/** The ids of a request's events. */
export function idsOf(request: StoreRequest): string[] {
  return isPacked(request) ? idTexts(request) : request.events.map(({ id }) => id);
}

/** The schema versions of a request's events; a single string if all are equal. */
export function versionsOf(request: StoreRequest): string | string[] {
  return isPacked(request)
    ? request.versions
    : request.events.map(({ schemaVersion }) => schemaVersion);
}

/** When a request's events expire, as in its column. */
export function expiresOf(request: StoreRequest): PackedRequest["expires"] {
  return isPacked(request) ? request.expires : request.events.map(({ expiresAt }) => expiresAt);
}

/** The buffers to transfer with a packed request instead of copying them. */
export function buffersOf(request: PackedRequest): ArrayBufferLike[] {
  const { payloads, bounds, ids } = request;
  return [payloads.buffer, bounds.buffer, ...(typeof ids === "string" ? [] : [ids.buffer])];
}

/** The id of event `i`. */
export function packedId(request: PackedRequest, i: number): string {
  const { ids } = request;
  if (typeof ids === "string") return ids.split("\n")[i]!;
  return decoder.decode(ids.subarray(i * OWN_ID_BYTES, (i + 1) * OWN_ID_BYTES));
}

/** The request as columns. Payloads of a request that is not packed yet are copied. */
export function pack(request: StoreRequest): PackedRequest {
  if (isPacked(request)) return request;
  const { events } = request;
  const count = events.length;
  const bounds = new Uint32Array(count * 2);
  const payloads = new Uint8Array(payloadBytesOf(request));
  let at = 0;
  let isOwn = true;
  let anyGiven = false;
  let anyKey = false;
  let anyExpires = false;
  for (let i = 0; i < count; i++) {
    const event = events[i]!;
    payloads.set(event.payload, at);
    bounds[2 * i] = at;
    bounds[2 * i + 1] = at += event.payload.length;
    isOwn &&= isOwnId(event) && (i === 0 || event.id > events[i - 1]!.id);
    anyGiven ||= event.idGiven;
    anyKey ||= event.key !== undefined;
    anyExpires ||= event.expiresAt !== undefined;
  }
  return {
    topic: request.topic,
    expected: request.expected,
    count,
    ids: isOwn ? ownIds(events) : events.map(({ id }) => id).join("\n"),
    given: anyGiven ? Uint8Array.from(events, (event) => event.idGiven ? 1 : 0) : undefined,
    types: column(events, (event) => event.type),
    timestamps: timestampColumn(events),
    versions: column(events, (event) => event.schemaVersion),
    keys: anyKey ? events.map((event) => event.key) : undefined,
    expires: anyExpires ? events.map((event) => event.expiresAt) : undefined,
    metadata: column(events, (event) => event.metadata),
    payloads,
    bounds,
  };
}

/** True for an id that we generated. */
function isOwnId({ id, idGiven }: NewEvent): boolean {
  return !idGiven && id.length === OWN_ID_BYTES && id[14] === "7";
}

function ownIds(events: readonly NewEvent[]): Uint8Array {
  let ids = "";
  for (const { id } of events) ids += id;
  return encoder.encode(ids);
}

/** The request as single events; the payloads are views of the packed buffer. */
export function unpack(packed: PackedRequest): Extract<StoreRequest, { events: unknown }> {
  const { count, given, types, timestamps, versions, keys, expires, metadata, bounds } = packed;
  const ids = idTexts(packed);
  const events: NewEvent[] = new Array(count);
  for (let i = 0; i < count; i++) {
    const key = typeof keys === "string" ? keys : keys?.[i];
    const event: NewEvent = {
      id: ids[i]!,
      idGiven: given !== undefined && given[i] === 1,
      type: typeof types === "string" ? types : types[i]!,
      timestamp: typeof timestamps === "number" ? timestamps : timestamps[i]!,
      schemaVersion: typeof versions === "string" ? versions : versions[i]!,
      metadata: typeof metadata === "string" ? metadata : metadata[i]!,
      payload: packed.payloads.subarray(bounds[2 * i], bounds[2 * i + 1]),
    };
    if (key !== undefined) event.key = key;
    const expiresAt = typeof expires === "number" ? expires : expires?.[i];
    if (expiresAt !== undefined) event.expiresAt = expiresAt;
    events[i] = event;
  }
  const { topic, expected } = packed;
  return expected === undefined ? { topic, events } : { topic, events, expected };
}

function idTexts({ ids, count }: PackedRequest): string[] {
  if (typeof ids === "string") return ids.split("\n");
  const text = decoder.decode(ids);
  return Array.from(
    { length: count },
    (_, i) => text.slice(i * OWN_ID_BYTES, (i + 1) * OWN_ID_BYTES),
  );
}

function column(events: readonly NewEvent[], of: (event: NewEvent) => string): string | string[] {
  const first = events.length > 0 ? of(events[0]!) : "";
  return events.every((event) => of(event) === first) ? first : events.map(of);
}

function timestampColumn(events: readonly NewEvent[]): number | Float64Array {
  const first = events[0]?.timestamp ?? 0;
  return events.every((event) => event.timestamp === first)
    ? first
    : Float64Array.from(events, (event) => event.timestamp);
}
