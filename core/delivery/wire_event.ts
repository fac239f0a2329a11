/**
 * An event in delivery as the wire line from its store. Most events are delivered, acknowledged and
 * forgotten: for those only the seq and the key are read from the bytes; the rest is parsed on
 * demand.
 */
import type { StoredEvent } from "../event/event.ts";
import { eventOfSlot } from "../store/file/lines.ts";

const LF = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;
const K = 0x6b;
const M = 0x6d;
/** What surrounds the skipped values, as every store writes it. */
const SEQ = '{"seq":'.length;
const ID = ',"id":'.length;
const TYPE = ',"type":'.length;
const TOPIC = ',"topic":'.length;
const TIMESTAMP = ',"timestamp":'.length;
const VERSION = ',"schemaVersion":'.length;
const KEY = ',"key":'.length;

const decoder = new TextDecoder();

/** One event as a wire line, parsed only if somebody looks inside. */
export class WireEvent {
  readonly seq: number;
  readonly key: string | undefined;
  #bytes: Uint8Array;
  #start: number;
  #end: number;
  #stored: StoredEvent | undefined;

  /** The line from `start` to `end`, without its line feed. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    let at = start + SEQ;
    let seq = 0;
    for (; bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) seq = seq * 10 + (bytes[at]! - ZERO);
    at = behindVersion(bytes, at, end);
    // The first letter of `key` or `metadata`. In a line with another layout, neither follows `,"`
    // here.
    const letter = bytes[at] === COMMA && bytes[at + 1] === QUOTE ? bytes[at + 2] : undefined;
    if (letter === M || letter === K) {
      this.seq = seq;
      this.key = letter === M ? undefined : stringAt(bytes, at + KEY, end);
    } else {
      // Not in our current layout: parse the whole line, which is slower but gives the same.
      this.#stored = eventOfSlot(this.line);
      this.seq = this.#stored.seq;
      this.key = this.#stored.key;
    }
  }

  /** Bytes of the line. */
  get size(): number {
    return this.#end - this.#start;
  }

  /** The line without its line feed: a view. */
  get line(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** A copy of the line, with its line feed. */
  copy(): Uint8Array {
    const copy = new Uint8Array(this.size + 1);
    copy.set(this.line);
    copy[this.size] = LF;
    return copy;
  }

  /** The whole event. */
  get stored(): StoredEvent {
    return this.#stored ??= eventOfSlot(this.line);
  }

  /** Copies its line, so that its page can be freed. */
  own(): void {
    if (this.#bytes.buffer.byteLength === this.size) return;
    this.#bytes = this.line.slice();
    this.#start = 0;
    this.#end = this.#bytes.length;
    this.#stored = undefined;
  }
}

/** The id of an event in either form. */
export function idOf(event: StoredEvent | WireEvent): string {
  return event instanceof WireEvent ? event.stored.id : event.id;
}

/** The events of whole wire lines. */
export function wireEvents(lines: Uint8Array): WireEvent[] {
  const events: WireEvent[] = [];
  for (let start = 0; start < lines.length;) {
    const found = lines.indexOf(LF, start);
    const end = found < 0 ? lines.length : found;
    events.push(new WireEvent(lines, start, end));
    start = end + 1;
  }
  return events;
}

/** The offset after the members before the key, starting from the end of the seq. */
function behindVersion(bytes: Uint8Array, from: number, end: number): number {
  let at = behindString(bytes, from + ID, end);
  at = behindString(bytes, at + TYPE, end);
  at = behindString(bytes, at + TOPIC, end) + TIMESTAMP;
  while (at < end && bytes[at] !== COMMA) at++;
  return behindString(bytes, at + VERSION, end);
}

function stringAt(bytes: Uint8Array, from: number, end: number): string {
  return JSON.parse(decoder.decode(bytes.subarray(from, behindString(bytes, from, end))));
}

/** The offset after the string that begins at `at`; `end` if there is none. */
function behindString(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] !== QUOTE) return end;
  for (let i = at + 1; i < end; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) return i + 1;
    if (byte === BACKSLASH) i++;
  }
  return end;
}
