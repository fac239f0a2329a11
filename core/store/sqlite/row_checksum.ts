/**
 * Checksums for the rows of the event database. SQLite has none, so without them a flipped bit in a
 * page would be delivered as an event.
 *
 * The checksum of a `log` row is one integer. Its low 32 bits are the CRC-32 of the wire line,
 * seeded with the row's position and the offset of its payload, so that a moved row fails like a
 * changed one. The 16 bits above are a hash of the type: a read by type queries both, and so finds
 * rows whose type column has changed. A single flipped bit is always detected.
 */
import { crc32 } from "../../base/checksum.ts";

const encoder = new TextEncoder();
const TAG = 2 ** 32;
const [MULTIPLIER_A, MULTIPLIER_B] = [0x9e3779b1, 0x85ebca77];

/** What the checksum covers besides the line. */
export interface RowPlace {
  pos: number;
  /** Bytes of the line before the payload. */
  head: number;
  /** The hash of the type: {@link typeTag}. */
  tag: number;
}

/** The checksum of a row of `log`. */
export function rowSum(line: Uint8Array, { pos, head, tag }: RowPlace): number {
  return tag * TAG + lineSum(line, pos, head);
}

/** True if the line is intact, whatever the type column says. */
export function holdsLine(
  sum: number,
  { line, pos, head }: { line: Uint8Array; pos: number; head: number },
): boolean {
  return sum % TAG === lineSum(line, pos, head);
}

/** The part of a checksum that covers the type. */
export function tagOfSum(sum: number): number {
  return Math.floor(sum / TAG);
}

// Positional parameters, because this runs for every event and an options object would cost more
// than the checksum.
function lineSum(line: Uint8Array, pos: number, head: number): number {
  const high = Math.floor(pos / TAG);
  const seed = Math.imul(pos | 0, MULTIPLIER_A) ^ Math.imul(high ^ (head << 17), MULTIPLIER_B);
  return crc32(line, (seed ^ head) >>> 0);
}

const tags = new Map<string, number>();
/** Types are few, but a publisher that makes them up must not fill the memory. */
const MOST_TAGS = 10_000;

/** 16 bits of a type's hash. */
export function typeTag(type: string): number {
  let tag = tags.get(type);
  if (tag === undefined) {
    if (tags.size >= MOST_TAGS) tags.clear();
    tags.set(type, tag = crc32(encoder.encode(type)) & 0xffff);
  }
  return tag;
}

/** Continues a CRC-32 over more bytes; start with 0. */
export function carryCrc(crc: number, bytes: Uint8Array): number {
  return crc32(bytes, crc);
}

/** The checksum of the values of a small row (`topics`, `blocks`). */
export function valuesSum(...values: (string | number | null)[]): number {
  return crc32(bytesOf(JSON.stringify(values)));
}

/**
 * Shared buffer: a start computes thousands of these sums, and allocating an array for each would
 * cost more than the sum.
 */
const room = new Uint8Array(1024);

/** The text as UTF-8, valid until the next call. */
function bytesOf(text: string): Uint8Array {
  if (text.length > room.length) return encoder.encode(text);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return encoder.encode(text);
    room[i] = code;
  }
  return room.subarray(0, text.length);
}
