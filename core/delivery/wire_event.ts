/**
 * An event in delivery as the wire line from its store. Most events are delivered, acknowledged and
 * forgotten: for those only the seq, the key and the expiry are read from the bytes; the rest is
 * parsed on demand.
 */
import { type StoredEvent, toWireLine } from "../event/event.ts";
import { eventOfSlot } from "../store/file/lines.ts";

const LF = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;
const E = 0x65;
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
const KEY_SEQ = ',"keySeq":'.length;
const EXPIRES = ',"expiresAt":'.length;

const decoder = new TextDecoder();

/** One event as a wire line, parsed only if somebody looks inside. */
export class WireEvent {
  readonly seq: number;
  readonly key: string | undefined;
  readonly expiresAt: number | undefined;
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
    const seq = numberAt(bytes, at);
    while (isDigit(bytes[at])) at++;
    at = behindVersion(bytes, at, end);
    let key: string | undefined;
    let expiresAt: number | undefined;
    // The next member is known by its first letter.
    let letter = letterAt(bytes, at);
    if (letter === K) {
      const to = behindString(bytes, at + KEY, end);
      key = JSON.parse(decoder.decode(bytes.subarray(at + KEY, to)));
      letter = letterAt(bytes, at = to);
      if (letter === K) {
        at += KEY_SEQ;
        while (isDigit(bytes[at])) at++;
        letter = letterAt(bytes, at);
      }
    }
    if (letter === E) {
      at += EXPIRES;
      expiresAt = numberAt(bytes, at);
      while (isDigit(bytes[at])) at++;
      letter = letterAt(bytes, at);
    }
    if (letter !== M) {
      // Not in our current layout: parse the whole line, which is slower but gives the same.
      this.#stored = eventOfSlot(this.line);
      ({ key, expiresAt } = this.#stored);
    }
    this.seq = this.#stored?.seq ?? seq;
    this.key = key;
    this.expiresAt = expiresAt;
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

/** The whole event, in either form. */
export function storedOf(event: StoredEvent | WireEvent): StoredEvent {
  return event instanceof WireEvent ? event.stored : event;
}

/** When the event of a wire line, with or without its line feed, expires; undefined: never. */
export function expiryOfLine(line: Uint8Array): number | undefined {
  const end = line.at(-1) === LF ? line.length - 1 : line.length;
  return new WireEvent(line, 0, end).expiresAt;
}

/** The same line, with its line feed, of an event that never expires. */
export function withoutExpiry(line: Uint8Array): Uint8Array {
  if (expiryOfLine(line) === undefined) return line;
  const { expiresAt: _expiresAt, line: _line, ...event } = eventOfSlot(
    line.at(-1) === LF ? line.subarray(0, -1) : line,
  );
  return toWireLine(event);
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

/** The first letter of the member that begins at `at`; undefined if none does. */
function letterAt(bytes: Uint8Array, at: number): number | undefined {
  return bytes[at] === COMMA && bytes[at + 1] === QUOTE ? bytes[at + 2] : undefined;
}

function isDigit(byte: number | undefined): boolean {
  return byte! >= ZERO && byte! <= NINE;
}

/** The whole number that begins at `at`. */
function numberAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (; isDigit(bytes[at]); at++) value = value * 10 + (bytes[at]! - ZERO);
  return value;
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
