/**
 * Copies small payloads one behind the other: a buffer for each would cost more than its bytes. They
 * are looked at where they are put.
 */
import { moduleState } from "../../core/base/module_state.ts";
import { scanLine } from "../../core/json/scan.ts";

/** A buffer is kept while one of its payloads is, so it is small. */
const SLAB_BYTES = 4096;
/** Larger ones have a buffer of their own. */
const LARGEST_SHARED = SLAB_BYTES / 4;

const LF = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const slab = moduleState(() => ({ bytes: new Uint8Array(SLAB_BYTES), at: 0 }));

/**
 * A copy of a body without the white space around its value; undefined unless it is certain that
 * it is valid JSON without a line break.
 */
export function scannedPayload(body: Uint8Array): Uint8Array | undefined {
  let begin = 0;
  let end = body.length;
  while (begin < end && isSpace(body[begin]!)) begin++;
  while (end > begin && isSpace(body[end - 1]!)) end--;
  const length = end - begin;
  // Where a buffer begins, what the scanner says of nothing would look like an end.
  if (length === 0) return undefined;
  const shared = slab();
  const isShared = length < LARGEST_SHARED;
  if (isShared && shared.at + length >= SLAB_BYTES) {
    shared.bytes = new Uint8Array(SLAB_BYTES);
    shared.at = 0;
  }
  const bytes = isShared ? shared.bytes : new Uint8Array(length + 1);
  const at = isShared ? shared.at : 0;
  bytes.set(length === body.length ? body : body.subarray(begin, end), at);
  // The scanner looks for the end of a line.
  bytes[at + length] = LF;
  const scanned = scanLine(bytes, at);
  const payload = bytes.subarray(at, at + length);
  const isJson = scanned === at + length || (scanned === ~(at + length) && isUtf8(payload));
  if (!isJson) return undefined;
  if (isShared) shared.at += length;
  return payload;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false; // a fatal decoder has no other way to report that
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === LF || byte === 0x0d || byte === 0x09;
}
