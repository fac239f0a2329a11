/**
 * Payloads for `--raw` and for `consume --stdin text`: a string is its text, base64 is its bytes,
 * any other value is what was published.
 */
import { membersOf, plainValue } from "./format_event.ts";

const encoder = new TextEncoder();

/** One payload, and whether it was published with `--binary`. */
export interface RawPayload {
  bytes: Uint8Array;
  binary: boolean;
}

/** The payload of a wire line. */
export function rawPayload(line: Uint8Array): RawPayload {
  const members = membersOf(line);
  const text = plainValue(members.get("payload"));
  const bytes = isBase64(members.get("metadata")) && members.get("payload")?.startsWith('"')
    ? decoded(text)
    : undefined;
  return { bytes: bytes ?? encoder.encode(text), binary: bytes !== undefined };
}

function isBase64(metadata: string | undefined): boolean {
  // Few events have it: a search is cheaper than parsing all of them.
  if (!metadata?.includes('"contentEncoding"')) return false;
  const { contentEncoding } = JSON.parse(metadata) as { contentEncoding?: unknown };
  return contentEncoding === "base64";
}

function decoded(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined; // somebody else's metadata: it is text
  }
}
