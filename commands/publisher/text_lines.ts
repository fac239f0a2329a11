/**
 * Lines of text as lines of JSON strings, for `evs publish --lines`.
 *
 * A block of bytes is escaped as a whole: no line becomes an object of its own. Bytes that are not
 * UTF-8 pass through, and the daemon refuses their line by its number.
 */
import type { NextChunk } from "./pipeline.ts";

const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const ZERO = 0x30;
const HEX = new TextEncoder().encode("0123456789abcdef");
/** The letters of the short escapes, by control character. */
const SHORT: Readonly<Record<number, number>> = {
  0x08: 0x62,
  0x09: 0x74,
  0x0c: 0x66,
  0x0d: 0x72,
};
/** How much is escaped at a time, bytes: a request stays small even if all of it has to be. */
const SLICE = 64 * 1024;
/** The longest escape of one byte. */
const LONGEST_ESCAPE = 6;

/** Each line of the input as a JSON string. Only a line feed ends a line. */
export function textLines(next: NextChunk): NextChunk {
  const encoder = new TextLineEncoder();
  let rest: Uint8Array = new Uint8Array(0);
  let ended = false;
  return async () => {
    while (rest.length === 0) {
      const chunk = ended ? null : await next();
      if (chunk === null) {
        ended = true;
        return encoder.end();
      }
      rest = chunk;
    }
    const encoded = encoder.encode(rest.subarray(0, SLICE));
    rest = rest.subarray(SLICE);
    return encoded;
  };
}

/** Escapes blocks of text, which may end anywhere. */
class TextLineEncoder {
  readonly #out = new Uint8Array(SLICE * LONGEST_ESCAPE + 8);
  readonly #view = new DataView(this.#out.buffer);
  #inLine = false;

  /** Closes a line without a line feed; null if there is none. */
  end(): Uint8Array | null {
    if (!this.#inLine) return null;
    this.#inLine = false;
    this.#out[0] = QUOTE;
    return this.#out.subarray(0, 1);
  }

  /** The lines of a block, valid until the next call. */
  encode(block: Uint8Array): Uint8Array {
    const { length } = block;
    const [out, target] = [this.#out, this.#view];
    const source = new DataView(block.buffer, block.byteOffset, length);
    let to = 0;
    if (!this.#inLine) out[to++] = QUOTE;
    let at = 0;
    while (at < length) {
      // Four bytes at a time; what is written beyond the first that needs an escape is overwritten.
      if (at + 4 <= length) {
        const word = source.getInt32(at, true);
        const found = escapesIn(word);
        target.setInt32(to, word, true);
        if (found === 0) {
          at += 4;
          to += 4;
          continue;
        }
        const plain = (31 - Math.clz32(found & -found)) >> 3;
        at += plain;
        to += plain;
      }
      const byte = block[at++]!;
      if (byte === QUOTE || byte === BACKSLASH) {
        out[to] = BACKSLASH;
        out[to + 1] = byte;
        to += 2;
      } else if (byte >= SPACE) {
        out[to++] = byte;
      } else if (byte === LF) {
        out[to] = QUOTE;
        out[to + 1] = LF;
        // The quote that opens the next line, if there is one.
        out[to + 2] = QUOTE;
        to += 3;
      } else {
        to = this.#escape(byte, to);
      }
    }
    this.#inLine = block[length - 1] !== LF;
    return out.subarray(0, this.#inLine ? to : to - 1);
  }

  #escape(byte: number, to: number): number {
    const out = this.#out;
    out[to++] = BACKSLASH;
    const letter = SHORT[byte];
    if (letter !== undefined) {
      out[to++] = letter;
      return to;
    }
    out[to++] = LETTER_U;
    out[to++] = ZERO;
    out[to++] = ZERO;
    out[to++] = HEX[byte >> 4]!;
    out[to++] = HEX[byte & 15]!;
    return to;
  }
}

/**
 * Which of the four bytes in a word need an escape: the lowest bit set is the highest bit of the
 * first of them. Subtracting makes the highest bit of a byte that is zero (or below a space)
 * borrow; a byte that had that bit itself does not count.
 */
function escapesIn(word: number): number {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  return (((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) |
    ((word - 0x20202020) & ~word)) & 0x80808080;
}
