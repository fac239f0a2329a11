/**
 * A file of the spool: the events of one request that found no daemon (docs/adr/0047-spool.md).
 *
 * ```text
 * evs-spool 1 CRC {"at":1764421200000,"topic":"orders","query":{"type":"order.paid","id":"o-7"}}
 * {"order":7}
 * ```
 *
 * The body has one event per line. The checksum covers everything behind it, so a file that is cut
 * or changed is recognized.
 */
import { crc32 } from "../base/checksum.ts";
import { linesIn } from "../base/bytes.ts";
import { isJsonObject } from "../json/json_object.ts";

/** What a daemon refused when it took a file in. */
export interface RefusedSpoolLine {
  /** As in the query: the first line of the body has the number `query.line`, or 1. */
  line: number;
  code: string;
  message: string;
  hint?: string;
}

/** A request in the spool, without its body. */
export interface SpooledRequest {
  /** When it was spooled, Unix ms. */
  at: number;
  topic: string;
  /** The query of the publish, as it would have been sent. It fixes the ids. */
  query: Record<string, string>;
  /** Only of files that a daemon has put aside. */
  refused?: readonly RefusedSpoolLine[];
}

/** A request with its body. */
export interface SpooledFile {
  request: SpooledRequest;
  body: Uint8Array;
}

const LF = 0x0a;
const HEAD = /^evs-spool 1 ([0-9a-f]{8}) $/;
/** The length of `evs-spool 1 CRC `. */
const HEAD_BYTES = 21;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of a file. */
export function encodeSpooled({ request, body }: SpooledFile): Uint8Array {
  const facts = encoder.encode(`${JSON.stringify(request)}\n`);
  const bytes = new Uint8Array(HEAD_BYTES + facts.length + body.length);
  bytes.set(facts, HEAD_BYTES);
  bytes.set(body, HEAD_BYTES + facts.length);
  const sum = crc32(bytes.subarray(HEAD_BYTES)) >>> 0;
  bytes.set(encoder.encode(`evs-spool 1 ${sum.toString(16).padStart(8, "0")} `));
  return bytes;
}

/** Reads a file; undefined if it is damaged. */
export function decodeSpooled(bytes: Uint8Array): SpooledFile | undefined {
  const [, sum] = HEAD.exec(decoder.decode(bytes.subarray(0, HEAD_BYTES))) ?? [];
  if (sum === undefined || parseInt(sum, 16) !== crc32(bytes.subarray(HEAD_BYTES)) >>> 0) {
    return undefined;
  }
  const end = bytes.indexOf(LF);
  if (end < 0) return undefined;
  const request = parsed(decoder.decode(bytes.subarray(HEAD_BYTES, end)));
  return request && { request, body: bytes.subarray(end + 1) };
}

function parsed(text: string): SpooledRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  const { at, topic, query, refused = [] } = value;
  const isTime = Number.isSafeInteger(at) && (at as number) >= 0;
  const isOurs = isTime && typeof topic === "string" && isJsonObject(query) &&
    Object.values(query).every((one) => typeof one === "string") && Array.isArray(refused);
  return isOurs ? value as unknown as SpooledRequest : undefined;
}

/** The number of the first line of a body. */
export function firstLineOf({ query }: SpooledRequest): number {
  return Number(query["line"] ?? "1");
}

/**
 * The body with the lines for which `keeps` is false left empty, so that the others keep their
 * numbers, and the number of lines that are left.
 */
export function keepLines(
  { request, body }: SpooledFile,
  keeps: (line: number, bytes: Uint8Array) => boolean,
): { body: Uint8Array; kept: number } {
  const parts: Uint8Array[] = [];
  let number = firstLineOf(request);
  let [length, kept] = [0, 0];
  for (const { bytes } of linesIn(body)) {
    const isKept = !isBlank(bytes) && keeps(number, bytes);
    if (isKept) {
      parts.push(bytes);
      kept++;
    }
    parts.push(NEWLINE);
    length += (isKept ? bytes.length : 0) + 1;
    number++;
  }
  const left = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    left.set(part, at);
    at += part.length;
  }
  return { body: left, kept };
}

const NEWLINE = Uint8Array.of(LF);

/** True for a line of only JSON white space. */
export function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
