/**
 * The event and its envelope.
 *
 * Two shapes of one thing. An {@link Event} is what applications see: the payload is a value. A
 * {@link StoredEvent} is what stores keep and the wire carries: the payload is the publisher's own
 * bytes, never parsed and printed again, so that `9007199254740993`, `1.0` and duplicate members
 * survive (contract row 11).
 */
import { parseWithBigInts } from "../json/exact.ts";

/** An event as an application sees it. */
// deno-lint-ignore no-explicit-any -- the promised interface: an untyped event's payload can be read without a cast
export interface Event<T = any, Type extends string = string, Topic extends string = string> {
  /** The per-topic sequence number, from 1, gap-free. Absent on stores that have none. */
  seq?: number;
  /** UUIDv7 unless the publisher gave one. */
  id: string;
  /** What happened, such as `user.created`. */
  type: Type;
  /** Where it was published. */
  topic: Topic;
  /** Unix ms: the publisher's if given, else the broker's. */
  timestamp: number;
  /** The version of the payload's schema; `1.0` where there is none. */
  schemaVersion: string;
  /** What happened, in full. */
  payload: T;
  /** What goes along with it: `correlationId`, `causationId`, and what the publisher says. */
  metadata: Record<string, unknown>;
  /** Orders and groups events; never compacts. */
  key?: string;
}

/** An event that was accepted but has no sequence number yet. */
export interface NewEvent {
  /** 1 to 128 printable ASCII characters. */
  id: string;
  /** True when the publisher gave the id: then it is looked up for repeats. */
  idGiven: boolean;
  /** What happened. */
  type: string;
  /** Unix ms. */
  timestamp: number;
  /** The version of the payload's schema; `1.0` where there is none. */
  schemaVersion: string;
  /** Orders and groups. */
  key?: string;
  /** The metadata as compact JSON text; `{}` when there is none. */
  metadata: string;
  /**
   * The payload's own bytes: one JSON value, valid UTF-8, no line feed. May be a view on a larger
   * buffer.
   */
  payload: Uint8Array;
}

/** An event as a store gives it back. */
export interface StoredEvent {
  /** The per-topic sequence number, from 1. */
  seq: number;
  /** Where it was published. */
  topic: string;
  /** 1 to 128 printable ASCII characters. */
  id: string;
  /** What happened. */
  type: string;
  /** Unix ms. */
  timestamp: number;
  /** The version of the payload's schema; `1.0` where there is none. */
  schemaVersion: string;
  /** Orders and groups. */
  key?: string;
  /** The metadata as compact JSON text. */
  metadata: string;
  /** The payload's own bytes. */
  payload: Uint8Array;
  /**
   * Its wire line without the line feed, where the store has it at hand: it need not be made again.
   */
  line?: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Everything of a wire line before the payload's bytes; a line ends with `}` and a line feed. */
export function envelopeHead(event: Omit<StoredEvent, "payload">): string {
  const key = event.key === undefined ? "" : `,"key":${JSON.stringify(event.key)}`;
  return `{"seq":${event.seq},"id":${JSON.stringify(event.id)},"type":${
    JSON.stringify(event.type)
  }` +
    `,"topic":${JSON.stringify(event.topic)},"timestamp":${event.timestamp}` +
    `,"schemaVersion":${JSON.stringify(event.schemaVersion)}${key}` +
    `,"metadata":${event.metadata},"payload":`;
}

/** One event as its wire line: JSON, payload last and byte for byte, with the line feed. */
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
 * The event of a wire line: the way back from {@link toWireLine}. `head`: the bytes before the
 * payload. Whatever stands behind the payload's closing brace (a line feed) must have been taken
 * away.
 */
export function fromWireLine(line: Uint8Array, head: number): StoredEvent {
  const text = decoder.decode(line.subarray(0, head));
  // A quote inside of a JSON string is escaped: the first such text is the member itself.
  const at = text.indexOf(BEFORE_METADATA);
  const { seq, topic, id, type, timestamp, schemaVersion, key } = JSON.parse(
    `${text.slice(0, at)}}`,
  ) as StoredEvent;
  return {
    seq,
    topic,
    id,
    type,
    timestamp,
    schemaVersion,
    ...(key === undefined ? {} : { key }),
    metadata: text.slice(at + BEFORE_METADATA.length, text.length - BEFORE_PAYLOAD.length),
    payload: line.subarray(head, line.length - 1),
  };
}

/** The event as applications see it: payload and metadata parsed; what is not stored has no seq. */
export function toEvent<T>(stored: StoredEvent): Event<T> {
  return parsedBy(JSON.parse, stored);
}

/** The event as filters see it: the same, with a bigint for each whole number beyond 2^53. */
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
    ...(stored.key === undefined ? {} : { key: stored.key }),
  };
  if (stored.seq === 0) delete event.seq;
  return event;
}
