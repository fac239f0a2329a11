/**
 * A line of the dead-letter file: one JSON object whose first member is the checksum of everything
 * behind it, so that `jq` reads the file and a flipped bit is found. A line says one thing about
 * one entry: it is here, it is to be sent again, it is gone.
 */
import type { Event } from "../event/event.ts";
import { crc32 } from "../base/checksum.ts";

/** What identifies an entry. */
export interface EntryName {
  subscription: string;
  topic: string;
  id: string;
}

/** An entry as it is written. */
export interface AddedEntry {
  op: "add";
  subscription: string;
  error: string;
  stack?: string;
  /** When it was given up, Unix ms. */
  timestamp: number;
  attempts: number;
  event: Event;
}

/** What a line says. */
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

/** What a line without its line feed says; undefined when it is not what was written. */
export function fromLogLine(line: Uint8Array): LogRecord | undefined {
  try {
    const text = decoder.decode(line);
    const rest = line.subarray(PREFIX);
    const crc = crc32(rest).toString(16).padStart(HEX, "0");
    if (!text.startsWith(`${HEAD}${crc}",`)) return undefined;
    return JSON.parse(text) as LogRecord;
  } catch {
    // Not UTF-8, or not JSON: damaged all the same.
    return undefined;
  }
}

/**
 * A file taken apart: where each line begins and ends, and what is left behind the last line feed.
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
