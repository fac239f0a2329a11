/**
 * A line of the dead-letter file: one JSON object whose first member is the checksum of everything
 * after it, so that `jq` can read the file and a flipped bit is detected. A line says one thing
 * about one entry: it was added, it is to be redelivered, or it was removed.
 */
import type { Event } from "../event/event.ts";
import { crc32 } from "../base/checksum.ts";

/** What identifies an entry. */
export interface EntryName {
  subscription: string;
  topic: string;
  id: string;
}

/** An entry as written. */
export interface AddedEntry {
  op: "add";
  subscription: string;
  error: string;
  stack?: string;
  /** When it was given up, Unix ms. */
  timestamp: number;
  attempts: number;
  /** Deliveries that ended without an answer; absent: none. */
  unanswered?: number;
  event: Event;
}

/** The contents of a line. */
export type LogRecord =
  | { op: "format"; format: number }
  | AddedEntry
  | { op: "retry" } & EntryName
  | { op: "remove" } & EntryName;

/** The format that this version writes. */
export const LOG_FORMAT = 1;

const HEAD = '{"crc":"';
const HEX = 8;
/** `{"crc":"xxxxxxxx",` */
const PREFIX = HEAD.length + HEX + 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The line, with its line feed. */
export function toLogLine(record: LogRecord): Uint8Array {
  const rest = encoder.encode(JSON.stringify(record).slice(1));
  const crc = crc32(rest).toString(16).padStart(HEX, "0");
  const line = new Uint8Array(PREFIX + rest.length + 1);
  line.set(encoder.encode(`${HEAD}${crc}",`));
  line.set(rest, PREFIX);
  line[line.length - 1] = 0x0a;
  return line;
}

/** The contents of a line without its line feed; undefined if it is corrupt. */
export function fromLogLine(line: Uint8Array): LogRecord | undefined {
  try {
    const text = decoder.decode(line);
    const rest = line.subarray(PREFIX);
    const crc = crc32(rest).toString(16).padStart(HEX, "0");
    if (!text.startsWith(`${HEAD}${crc}",`)) return undefined;
    return JSON.parse(text) as LogRecord;
  } catch {
    // Not UTF-8 or not JSON: damaged as well.
    return undefined;
  }
}

/**
 * Splits a file into lines: where each begins and ends, and where the rest after the last line feed
 * begins.
 */
export function splitLogLines(
  bytes: Uint8Array,
): { lines: { start: number; end: number }[]; tail: number } {
  const lines: { start: number; end: number }[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    lines.push({ start, end });
    start = end + 1;
  }
  return { lines, tail: start };
}
