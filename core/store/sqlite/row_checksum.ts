/**
 * Checksums of the rows of the event database: SQLite has none, so a flipped bit in a page would be
 * handed out as an event.
 *
 * The sum of a row of `log` is one integer. Its low 32 bits are the CRC-32 of the wire line, begun
 * with where the row is and where its payload begins, so that a row that moved fails like one that
 * changed. The 16 bits above are of the type: a read by type asks for both, and so finds a row
 * whose type column changed. A single flipped bit is always found.
 */
import { crc32 } from "../../base/checksum.ts";

const encoder = new TextEncoder();
const TAG = 2 ** 32;
const [MULTIPLIER_A, MULTIPLIER_B] = [0x9e3779b1, 0x85ebca77];

/** What is summed beside the line. */
export interface RowPlace {
  pos: number;
  /** Bytes of the line before the payload. */
  head: number;
  /** Of the type: {@link typeTag}. */
  tag: number;
}

/** The sum of a row of `log`. */
export function rowSum(line: Uint8Array, { pos, head, tag }: RowPlace): number {
  return tag * TAG + lineSum(line, pos, head);
}

/** True when the line is as it was written, whatever the type column says. */
export function holdsLine(
  sum: number,
  { line, pos, head }: { line: Uint8Array; pos: number; head: number },
): boolean {
  return sum % TAG === lineSum(line, pos, head);
}

/** The part of a sum that is of the type. */
export function tagOfSum(sum: number): number {
  return Math.floor(sum / TAG);
}

// Inside of this file only, on the path of every event: an options object would cost more than the
// sum.
function lineSum(line: Uint8Array, pos: number, head: number): number {
  const high = Math.floor(pos / TAG);
  const seed = Math.imul(pos | 0, MULTIPLIER_A) ^ Math.imul(high ^ (head << 17), MULTIPLIER_B);
  return crc32(line, (seed ^ head) >>> 0);
}

const tags = new Map<string, number>();
/** Types are few; a publisher that makes them up does not fill the memory. */
const MOST_TAGS = 10_000;

/** 16 bits of a type. */
export function typeTag(type: string): number {
  let tag = tags.get(type);
  if (tag === undefined) {
    if (tags.size >= MOST_TAGS) tags.clear();
    tags.set(type, tag = crc32(encoder.encode(type)) & 0xffff);
  }
  return tag;
}

/** Carries a CRC-32 on over more bytes; 0 begins one. */
export function carryCrc(crc: number, bytes: Uint8Array): number {
  return crc32(bytes, crc);
}

/** The sum of the values of a small row (`topics`, `blocks`). */
export function valuesSum(...values: (string | number | null)[]): number {
  return crc32(bytesOf(JSON.stringify(values)));
}

/**
 * Rows are summed one after the other, thousands at a start: an array for each costs more than its
 * sum.
 */
const room = new Uint8Array(1024);

/** The text as UTF-8; gone with the next call. */
function bytesOf(text: string): Uint8Array {
  if (text.length > room.length) return encoder.encode(text);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return encoder.encode(text);
    room[i] = code;
  }
  return room.subarray(0, text.length);
}
