/**
 * The event and its envelope.
 *
 * There are two forms. An {@link Event} is what applications see: the payload is a value. A {@link
 * StoredEvent} is what stores keep and the wire carries: the payload is the publisher's own bytes,
 * never parsed and serialized again, so that `9007199254740993`, `1.0` and duplicate members
 * survive (contract row 11).
 */
import { parseWithBigInts } from "../json/exact.ts";

/** An event as an application sees it. */
// deno-lint-ignore no-explicit-any -- the promised interface: an untyped event's payload can be read without a cast
export interface Event<T = any, Type extends string = string, Topic extends string = string> {
  /** The per-topic sequence number, from 1, without gaps. Absent on stores that have none. */
  seq?: number;
  /** UUIDv7 unless the publisher gave one. */
  id: string;
  /** What happened, such as `user.created`. */
  type: Type;
  /** The topic it was published to. */
  topic: Topic;
  /** Unix ms: the publisher's if given, otherwise the broker's. */
  timestamp: number;
  /** The version of the payload's schema; `1.0` if there is none. */
  schemaVersion: string;
  /** The details of what happened. */
  payload: T;
  /** Accompanying data: `correlationId`, `causationId`, and whatever the publisher adds. */
  metadata: Record<string, unknown>;
  /** Orders and groups events. Never used for compaction. */
  key?: string;
  /**
   * Its number among the events of its key in the topic: 1, 2, 3…, none twice. Absent if it has no
   * key, and on stores that do not number keys. An event from before keys were numbered has none
   * either, and stands for its {@link seq}: the next one of its key has that plus one.
   */
  keySeq?: number;
  /**
   * Not delivered to subscriptions from then on: Unix ms, by the broker's clock. Absent: it never
   * expires.
   */
  expiresAt?: number;
}

/** An event that was accepted but has no sequence number yet. */
export interface NewEvent {
  /** 1 to 128 printable ASCII characters. */
  id: string;
  /** True if the publisher gave the id; only then is it checked for duplicates. */
  idGiven: boolean;
  /** What happened. */
  type: string;
  /** Unix ms. */
  timestamp: number;
  /** The version of the payload's schema; `1.0` if there is none. */
  schemaVersion: string;
  /** Orders and groups. */
  key?: string;
  /** Set by the store as it stores the event. */
  keySeq?: number;
  /** When it expires, Unix ms. Absent: never. */
  expiresAt?: number;
  /** Of an event that is published later: {@link expiresAt} is this long after that, ms. */
  ttlMs?: number;
  /** The metadata as compact JSON text; `{}` if there is none. */
  metadata: string;
  /**
   * The payload's own bytes: one JSON value, valid UTF-8, without a line feed. May be a view of a
   * larger buffer.
   */
  payload: Uint8Array;
}

/** An event as a store returns it. */
export interface StoredEvent {
  /** The per-topic sequence number, from 1; 0 if the event is not stored. */
  seq: number;
  /** The topic it was published to. */
  topic: string;
  /** 1 to 128 printable ASCII characters. */
  id: string;
  /** What happened. */
  type: string;
  /** Unix ms. */
  timestamp: number;
  /** The version of the payload's schema; `1.0` if there is none. */
  schemaVersion: string;
  /** Orders and groups. */
  key?: string;
  /** As in {@link Event}. */
  keySeq?: number;
  /** When it expires, Unix ms. Absent: never. */
  expiresAt?: number;
  /** Of an event that is published later: as in {@link NewEvent}. */
  ttlMs?: number;
  /** The metadata as compact JSON text. */
  metadata: string;
  /** The payload's own bytes. */
  payload: Uint8Array;
  /** Its wire line without the line feed, if the store has it at hand; saves building it again. */
  line?: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The event as stored: with the place that the store assigns. */
export function storedEvent(
  event: NewEvent,
  { topic, seq }: { topic: string; seq: number },
): StoredEvent {
  const { id, type, timestamp, schemaVersion, metadata, payload } = event;
  const stored: StoredEvent = { seq, topic, id, type, timestamp, schemaVersion, metadata, payload };
  if (event.key !== undefined) stored.key = event.key;
  if (event.keySeq !== undefined) stored.keySeq = event.keySeq;
  if (event.expiresAt !== undefined) stored.expiresAt = event.expiresAt;
  if (event.ttlMs !== undefined) stored.ttlMs = event.ttlMs;
  return stored;
}

/** The members of a wire line that tell the key, each with a comma before it. */
export function keyMembers({ key, keySeq }: Pick<NewEvent, "key" | "keySeq">): string {
  if (key === undefined) return "";
  const member = `,"key":${JSON.stringify(key)}`;
  return keySeq === undefined ? member : `${member},"keySeq":${keySeq}`;
}

/** The members of a wire line that say how long an event lives, each with a comma before it. */
export function lifetimeMembers(
  { expiresAt, ttlMs }: Pick<NewEvent, "expiresAt" | "ttlMs">,
): string {
  const expires = expiresAt === undefined ? "" : `,"expiresAt":${expiresAt}`;
  return ttlMs === undefined ? expires : `${expires},"ttlMs":${ttlMs}`;
}

/** Everything in a wire line before the payload. The line ends with `}` and a line feed. */
export function envelopeHead(event: Omit<StoredEvent, "payload">): string {
  return `{"seq":${event.seq},"id":${JSON.stringify(event.id)},"type":${
    JSON.stringify(event.type)
  }` +
    `,"topic":${JSON.stringify(event.topic)},"timestamp":${event.timestamp}` +
    `,"schemaVersion":${JSON.stringify(event.schemaVersion)}${keyMembers(event)}${
      lifetimeMembers(event)
    }` +
    `,"metadata":${event.metadata},"payload":`;
}

/** One event as a wire line: JSON, with the payload last and byte for byte, and a line feed. */
export function toWireLine(event: StoredEvent): Uint8Array {
  const head = encoder.encode(envelopeHead(event));
  const line = new Uint8Array(head.length + event.payload.length + 2);
  line.set(head);
  line.set(event.payload, head.length);
  line[line.length - 2] = 0x7d; // }
  line[line.length - 1] = 0x0a;
  return line;
}

const BEFORE_METADATA = ',"metadata":';
const BEFORE_PAYLOAD = ',"payload":';

/**
 * Parses a wire line: the inverse of {@link toWireLine}. `head`: the number of bytes before the
 * payload. `line` must end with the closing brace; strip the line feed first.
 */
export function fromWireLine(line: Uint8Array, head: number): StoredEvent {
  const text = decoder.decode(line.subarray(0, head));
  // Quotes inside JSON strings are escaped, so the first match is the member itself.
  const at = text.indexOf(BEFORE_METADATA);
  const { seq, topic, id, type, timestamp, schemaVersion, key, keySeq, expiresAt, ttlMs } = JSON
    .parse(`${text.slice(0, at)}}`) as StoredEvent;
  const event: StoredEvent = {
    seq,
    topic,
    id,
    type,
    timestamp,
    schemaVersion,
    metadata: text.slice(at + BEFORE_METADATA.length, text.length - BEFORE_PAYLOAD.length),
    payload: line.subarray(head, line.length - 1),
  };
  if (key !== undefined) event.key = key;
  if (keySeq !== undefined) event.keySeq = keySeq;
  if (expiresAt !== undefined) event.expiresAt = expiresAt;
  if (ttlMs !== undefined) event.ttlMs = ttlMs;
  return event;
}

/**
 * The event as applications see it, with payload and metadata parsed. Unstored events have no seq.
 */
export function toEvent<T>(stored: StoredEvent): Event<T> {
  return parsedBy(JSON.parse, stored);
}

/** The event as filters see it: whole numbers beyond 2^53 are bigints. */
export function toFilterEvent(stored: StoredEvent): Event {
  return parsedBy(parseWithBigInts, stored);
}

function parsedBy<T>(parse: (text: string) => unknown, stored: StoredEvent): Event<T> {
  const event: Event<T> = {
    seq: stored.seq,
    id: stored.id,
    type: stored.type,
    topic: stored.topic,
    timestamp: stored.timestamp,
    schemaVersion: stored.schemaVersion,
    payload: parse(decoder.decode(stored.payload)) as T,
    metadata: parse(stored.metadata) as Record<string, unknown>,
  };
  if (stored.key !== undefined) event.key = stored.key;
  if (stored.keySeq !== undefined) event.keySeq = stored.keySeq;
  if (stored.expiresAt !== undefined) event.expiresAt = stored.expiresAt;
  if (stored.seq === 0) delete event.seq;
  return event;
}
