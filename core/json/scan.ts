/**
 * Validates JSON on bytes, so that a hot path rarely needs `JSON.parse`.
 *
 * A line is scanned in one pass, with nothing decoded and nothing built: several times faster than
 * parsing it only to discard the value. It accepts only what `JSON.parse` accepts
 * (tests/core/json/scan_test.ts compares the two). When unsure it says so, and the caller asks
 * `JSON.parse`, which also says what is wrong.
 */
import { MAX_DEPTH } from "./json.ts";

/** {@link scanLine} returns this if `JSON.parse` must check the line. */
export const UNSURE = -1;

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const LOWER_U = 0x75;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Classes of bytes inside a string. */
const PLAIN = 1;
const HIGH = 2;
const IN_STRING = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return HIGH;
  return byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH ? PLAIN : 0;
});
const ESCAPED = Uint8Array.from(
  { length: 256 },
  (_, byte) => '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0,
);
const HEX = Uint8Array.from(
  { length: 256 },
  (_, byte) => /[0-9a-fA-F]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

// What may come next.
const VALUE = 0;
const VALUE_OR_END = 1;
const NAME = 2;
const NAME_OR_END = 3;
const AFTER_VALUE = 4;

/** The opening bracket of each open level. */
const open = new Uint8Array(MAX_DEPTH + 1);

/**
 * Finds the end of the JSON value that begins at `from` and fills the rest of its line: the index
 * of the line feed, or of the carriage return before it. Negative and below {@link UNSURE} (`~end`)
 * if it contains bytes above ASCII, which the caller must still check to be UTF-8. {@link UNSURE}
 * if it is not JSON, nests too deep, is empty, or has a carriage return elsewhere. There must be a
 * line feed somewhere after `from`.
 */
export function scanLine(bytes: Uint8Array, from: number): number {
  let at = from;
  let depth = 0;
  let next = VALUE;
  let high = false;
  for (;;) {
    let byte = bytes[at]!;
    while (byte === SPACE || byte === TAB) byte = bytes[++at]!;
    if (next === AFTER_VALUE) {
      if (depth === 0) {
        if (byte === LF || (byte === CR && bytes[at + 1] === LF)) return high ? ~at : at;
        return UNSURE;
      }
      const bracket = open[depth]!;
      if (byte === COMMA) next = bracket === OPEN_OBJECT ? NAME : VALUE;
      else if (byte === bracket + 2) depth--; // ASCII: "]" and "}" stand two behind "[" and "{"
      else return UNSURE;
      at++;
    } else if (byte === QUOTE) {
      for (at++;; at++) {
        byte = bytes[at]!;
        let kind = IN_STRING[byte]!;
        while (kind === PLAIN) kind = IN_STRING[byte = bytes[++at]!]!;
        if (byte === QUOTE) break;
        if (kind === HIGH) high = true;
        else if (byte !== BACKSLASH || (at = escapeEnd(bytes, at + 1)) < 0) return UNSURE;
      }
      at++;
      if (next === NAME || next === NAME_OR_END) {
        byte = bytes[at]!;
        while (byte === SPACE || byte === TAB) byte = bytes[++at]!;
        if (byte !== COLON) return UNSURE;
        at++;
        next = VALUE;
      } else next = AFTER_VALUE;
    } else if (next === NAME_OR_END || next === NAME) {
      if (byte !== CLOSE_OBJECT || next === NAME) return UNSURE;
      depth--;
      at++;
      next = AFTER_VALUE;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (++depth > MAX_DEPTH) return UNSURE;
      open[depth] = byte;
      at++;
      next = byte === OPEN_OBJECT ? NAME_OR_END : VALUE_OR_END;
    } else if (byte === CLOSE_ARRAY && next === VALUE_OR_END) {
      depth--;
      at++;
      next = AFTER_VALUE;
    } else {
      at = byte === MINUS || (byte >= ZERO && byte <= NINE)
        ? numberEnd(bytes, at)
        : wordEnd(bytes, at, byte);
      if (at < 0) return UNSURE;
      next = AFTER_VALUE;
    }
  }
}

/** The last byte of the escape whose backslash precedes `from`. */
function escapeEnd(bytes: Uint8Array, from: number): number {
  const byte = bytes[from]!;
  if (byte !== LOWER_U) return ESCAPED[byte] === 1 ? from : UNSURE;
  for (let at = from + 1; at <= from + 4; at++) if (HEX[bytes[at]!] !== 1) return UNSURE;
  return from + 4;
}

function numberEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  if (bytes[at] === MINUS) at++;
  if (bytes[at] === ZERO) at++;
  else if ((at = digitsEnd(bytes, at)) < 0) return UNSURE;
  if (bytes[at] === DOT && (at = digitsEnd(bytes, at + 1)) < 0) return UNSURE;
  const byte = bytes[at]!;
  if (byte !== 0x65 && byte !== 0x45) return at; // e, E
  const sign = bytes[at + 1]!;
  return digitsEnd(bytes, sign === MINUS || sign === 0x2b ? at + 2 : at + 1);
}

/** The position after at least one digit. */
function digitsEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  let byte = bytes[at]!;
  while (byte >= ZERO && byte <= NINE) byte = bytes[++at]!;
  return at === from ? UNSURE : at;
}

const WORDS = ["true", "false", "null"].map((word) => new TextEncoder().encode(word));

function wordEnd(bytes: Uint8Array, from: number, first: number): number {
  for (const word of WORDS) {
    if (word[0] !== first) continue;
    for (let i = 1; i < word.length; i++) if (bytes[from + i] !== word[i]) return UNSURE;
    return from + word.length;
  }
  return UNSURE;
}
