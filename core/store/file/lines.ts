/**
 * Wire lines as bytes: where a line ends, where its payload begins, what its first members are. No
 * I/O here.
 */
import { fromWireLine, type StoredEvent } from "../../event/event.ts";
import { sizeOf } from "../append.ts";
import { timeOfId } from "../../event/id.ts";
import type { IndexBlock } from "./block.ts";
import { crc32 } from "../../base/checksum.ts";

const LF = 0x0a;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** One character for each byte, so that an index is an index. */
const searchable = new TextDecoder("latin1");
const SEQ = encoder.encode('{"seq":');
const METADATA = encoder.encode(',"metadata":');
const PAYLOAD = encoder.encode(',"payload":');
const ID = encoder.encode(',"id":');
const TYPE = encoder.encode(',"type":');

/**
 * Calls `visit` with the bounds of each whole line, without its line feed. Stops when `visit`
 * returns false.
 */
export function eachLine(
  bytes: Uint8Array,
  visit: (start: number, end: number) => boolean | void,
): void {
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LF, start);
    if (end < 0 || visit(start, end) === false) return;
    start = end + 1;
  }
}

/** Where line number `n` begins; `bytes.length` if there are fewer lines. */
export function offsetOfLine(bytes: Uint8Array, n: number): number {
  let at = 0;
  for (; n > 0 && at < bytes.length; n--) {
    const end = bytes.indexOf(LF, at);
    if (end < 0) return bytes.length;
    at = end + 1;
  }
  return at;
}

/** Bytes of a line before its payload; undefined if it is not a wire line. */
export function headLength(line: Uint8Array): number | undefined {
  const metadata = find(line, METADATA);
  if (metadata < 0) return undefined;
  const end = endOfValue(line, metadata + METADATA.length);
  return end !== undefined && startsWith(line, PAYLOAD, end) ? end + PAYLOAD.length : undefined;
}

/** The event of a stored line. The line's checksum has been verified, so it is a wire line. */
export function eventOfSlot(line: Uint8Array): StoredEvent {
  const head = headLength(line);
  if (head === undefined) throw new TypeError("not a wire line");
  const event = fromWireLine(line, head);
  event.line = line;
  return event;
}

/** The event of a wire line of the state, with or without its line feed. */
export function storedOfLine(line: Uint8Array): StoredEvent {
  return eventOfSlot(line.at(-1) === LF ? line.subarray(0, -1) : line);
}

/**
 * Returns a function that compares bytes to tell whether the line beginning at `start` has one of
 * these types.
 */
export function typeMatcher(
  types: readonly string[],
): (bytes: Uint8Array, start: number) => boolean {
  const wanted = types.map((type) => encoder.encode(`${JSON.stringify(type)},`));
  return (bytes, start) => {
    const at = typeOffset(bytes, start);
    return wanted.some((type) => startsWith(bytes, type, at));
  };
}

function typeOffset(bytes: Uint8Array, start: number): number {
  let at = start + SEQ.length;
  while (at < bytes.length && bytes[at] !== COMMA) at++;
  return endOfString(bytes, at + ID.length) + TYPE.length;
}

/** Returns a function that compares bytes to tell whether a line has this id. */
export function idMatcher(id: string): (line: Uint8Array) => boolean {
  const wanted = encoder.encode(`,"id":${JSON.stringify(id)},`);
  return (line) => startsWith(line, wanted, line.indexOf(COMMA));
}

/**
 * Returns {@link eachLine} for the lines that may have this key: those that do, and those whose
 * metadata or payload looks like it. A search in text takes a fraction of what parsing each line
 * would.
 */
export function keyedLines(key: string): typeof eachLine {
  const wanted = searchable.decode(encoder.encode(`,"key":${JSON.stringify(key)},`));
  return (bytes, visit) => {
    const text = searchable.decode(bytes);
    for (let at = text.indexOf(wanted); at >= 0;) {
      const end = bytes.indexOf(LF, at);
      if (end < 0 || visit(bytes.lastIndexOf(LF, at) + 1, end) === false) return;
      at = text.indexOf(wanted, end);
    }
  };
}

/** Where the string that begins at `at` ends. */
function endOfString(line: Uint8Array, at: number): number {
  for (let i = at + 1; i < line.length; i++) {
    const byte = line[i];
    if (byte === BACKSLASH) i++;
    else if (byte === QUOTE) return i + 1;
  }
  return line.length;
}

/** Where the object or list that begins at `at` ends. */
function endOfValue(line: Uint8Array, at: number): number | undefined {
  let depth = 0;
  for (let i = at; i < line.length; i++) {
    const byte = line[i];
    if (byte === QUOTE) i = endOfString(line, i) - 1;
    else if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if ((byte === CLOSE || byte === CLOSE_LIST) && --depth === 0) return i + 1;
  }
  return undefined;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array, at: number): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

function find(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (startsWith(bytes, wanted, at)) return at;
  }
  return -1;
}

/**
 * The event in bytes that no checksum covers; undefined unless they are a complete wire line of
 * this topic.
 */
export function suspectEvent(line: Uint8Array, topic: string): StoredEvent | undefined {
  if (!startsWith(line, SEQ, 0)) return undefined;
  try {
    JSON.parse(decoder.decode(line));
    const head = headLength(line);
    const event = head === undefined ? undefined : fromWireLine(line, head);
    return event?.topic === topic && Number.isSafeInteger(event.seq) ? event : undefined;
  } catch {
    return undefined; // expected: unverified bytes need not be a line
  }
}

/** Rebuilds the block for `bytes`, the lines of these events, when its own record is lost. */
export function indexBlockOf(
  bytes: Uint8Array,
  events: readonly StoredEvent[],
  at: { start: number; firstSeq: number; syncedEnd: number; storedAt: number },
): IndexBlock {
  let size = 0;
  let maxTimestamp = -Infinity;
  let [minIdTime, maxIdTime] = [Infinity, -Infinity];
  for (const event of events) {
    size += sizeOf(event);
    maxTimestamp = Math.max(maxTimestamp, event.timestamp);
    const time = timeOfId(event.id);
    if (time === undefined) continue;
    minIdTime = Math.min(minIdTime, time);
    maxIdTime = Math.max(maxIdTime, time);
  }
  return {
    start: at.start,
    end: at.start + bytes.length,
    firstSeq: at.firstSeq,
    count: events.length,
    crc: crc32(bytes),
    maxTimestamp,
    size,
    // No longer known. Assuming that ids were given costs at most a needless lookup.
    given: true,
    keyed: true,
    minIdTime,
    maxIdTime,
    storedAt: at.storedAt,
    commitStart: at.start,
    commitEnd: true,
    syncedEnd: at.syncedEnd,
    damaged: false,
  };
}
