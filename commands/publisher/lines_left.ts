/** The rest of a body that was stored in part, and the contents of its lines. */
import { linesIn } from "../../core/base/bytes.ts";

/** The number of lines that the daemon processes: of JSON, those that are not blank. */
export function countFilled(body: Uint8Array, { text }: { text: boolean }): number {
  let count = 0;
  for (const line of linesIn(body)) if (text || !isBlank(line.bytes)) count++;
  return count;
}

/** What follows the first `count` lines of {@link countFilled}, and the lines before it. */
export function behindFilled(
  body: Uint8Array,
  { count, text }: { count: number; text: boolean },
): { body: Uint8Array; lines: number } {
  let [left, lines, end] = [count, 0, 0];
  for (const line of linesIn(body)) {
    if (left === 0) break;
    if (text || !isBlank(line.bytes)) left--;
    lines++;
    end = line.end;
  }
  return { body: body.subarray(end), lines };
}

/** The line with this index in a body, without its line feed; empty if there is none. */
export function lineAt(body: Uint8Array, index: number): Uint8Array {
  for (const { bytes } of linesIn(body)) if (index-- === 0) return bytes;
  return body.subarray(body.length);
}

/**
 * True if every line is an envelope with an id, so that sending them again stores nothing twice.
 */
export function allHaveIds(body: Uint8Array): boolean {
  const decoder = new TextDecoder();
  for (const line of linesIn(body)) {
    if (!isBlank(line.bytes) && !hasId(decoder.decode(line.bytes))) return false;
  }
  return true;
}

function hasId(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "id" in value;
  } catch {
    return true; // not JSON: it is refused every time, and never stored
  }
}

/** True for a line of only JSON white space. */
function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
