/**
 * Packs lines of text as they arrive, each as a JSON string: the counterpart of
 * daemon/ingest/line_packer.ts for `text=lines`.
 *
 * Lines are escaped while they are copied into the buffer that is passed to the store, eight bytes
 * at a time; no line becomes an object of its own. Only a line feed ends a line, so that a carriage
 * return is part of it, and an empty line is an empty text.
 */
import type { EvsError } from "../../core/base/errors.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import type { LinePackerOptions, Packer } from "./line_packer.ts";
import { type LineFault, lineFaultError } from "./ndjson.ts";
import { PackedBuffer, type PackedPayloads } from "./packed_buffer.ts";

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
/** The control characters of those letters. */
const CONTROL: Readonly<Record<number, number>> = Object.fromEntries(
  Object.entries(SHORT).map(([control, letter]) => [letter, Number(control)]),
);
/** How much is escaped at a time, bytes: so little room is needed if all of it has to be. */
const SLICE = 4096;
/** The longest escape of one byte. */
const LONGEST_ESCAPE = 6;
const HIGH_BITS = 0x80808080 | 0;

/** Packs lines of text without creating objects. */
export class TextPacker implements Packer {
  readonly #options: LinePackerOptions;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly #packed = new PackedBuffer();
  #view: DataView = new DataView(new ArrayBuffer(0));
  #number: number;
  /** Whether the incomplete line has bytes above ASCII: not 0 then. */
  #high = 0;
  #skipping = false;
  #ended = false;
  lines = 0;

  constructor(options: LinePackerOptions) {
    this.#options = options;
    this.#number = options.firstLine;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get bytes(): number {
    return this.#packed.start;
  }

  get nextLine(): number {
    return this.#number;
  }

  get skipping(): boolean {
    return this.#skipping;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#ended;) {
      if (this.#skipping) {
        const end = chunk.indexOf(LF, at);
        if (end < 0) return;
        this.#skipping = false;
        this.#number++;
        at = end + 1;
        continue;
      }
      const slice = chunk.subarray(at, at + SLICE);
      at += slice.length;
      this.#packed.reserve(LONGEST_ESCAPE * slice.length + 4, chunk.length);
      this.#escape(slice);
      // It still lacks its last quote.
      if (!this.#ended && this.#open > 0 && this.#open + 1 > this.#options.limit) this.#skip();
    }
  }

  end(): void {
    if (this.#ended || this.#skipping || this.#open === 0) return;
    this.#packed.reserve(LONGEST_ESCAPE + 4);
    this.#escape(Uint8Array.of(LF));
  }

  take(): PackedPayloads | undefined {
    return this.#packed.take();
  }

  takeRest(): Uint8Array {
    const packed = this.#packed;
    const rest = unescaped(packed.bytes.subarray(packed.start, packed.filled));
    packed.filled = packed.start;
    this.#high = 0;
    return rest;
  }

  /** The bytes of the incomplete line, with its first quote; 0 if there is none. */
  get #open(): number {
    return this.#packed.filled - this.#packed.start;
  }

  /** Escapes a slice behind what there is, and accepts or refuses the lines that end in it. */
  #escape(slice: Uint8Array): void {
    const packed = this.#packed;
    const out = packed.bytes;
    const { length } = slice;
    const source = new DataView(slice.buffer, slice.byteOffset, length);
    const target = this.#targetOf(out);
    let [to, at, high] = [packed.filled, 0, this.#high];
    if (to === packed.start) out[to++] = QUOTE;
    while (at < length) {
      // Eight bytes at a time; what is written beyond the first that needs an escape is
      // overwritten.
      if (at + 8 <= length) {
        const first = source.getInt32(at, true);
        const second = source.getInt32(at + 4, true);
        target.setInt32(to, first, true);
        target.setInt32(to + 4, second, true);
        high |= first | second;
        let found = escapesIn(first);
        if (found === 0) {
          found = escapesIn(second);
          at += 4;
          to += 4;
          if (found === 0) {
            at += 4;
            to += 4;
            continue;
          }
        }
        const plain = (31 - Math.clz32(found & -found)) >> 3;
        at += plain;
        to += plain;
      }
      const byte = slice[at++]!;
      high |= byte;
      if (byte === QUOTE || byte === BACKSLASH) {
        out[to] = BACKSLASH;
        out[to + 1] = byte;
        to += 2;
      } else if (byte >= SPACE) {
        out[to++] = byte;
      } else if (byte === LF) {
        out[to] = QUOTE;
        out[to + 1] = LF;
        to = this.#endLine(to + 1, (high & HIGH_BITS) !== 0);
        high = 0;
        if (this.#ended || at === length) break;
        out[to++] = QUOTE;
      } else {
        to = escapeControl(out, to, byte);
      }
    }
    this.#high = high;
    packed.filled = to;
  }

  /** A line that ends before `end` is accepted or refused; returns where the next one starts. */
  #endLine(end: number, high: boolean): number {
    const packed = this.#packed;
    const { start } = packed;
    const { limit } = this.#options;
    this.lines++;
    const fault = end - start > limit
      ? { code: "event/too-large" as const, limit }
      : high
      ? this.#notUtf8(packed.bytes.subarray(start, end))
      : undefined;
    if (fault === undefined) {
      packed.accept(start, end);
      packed.start = end + 1;
    } else this.#refuse(lineFaultError(fault));
    this.#number++;
    return packed.start;
  }

  #notUtf8(escaped: Uint8Array): LineFault | undefined {
    try {
      this.#decoder.decode(escaped);
      return undefined;
    } catch {
      const offset = unescaped(escaped.subarray(0, badByteOf(escaped))).length;
      return { code: "event/invalid-utf8", offset };
    }
  }

  /** The incomplete line is too long already. */
  #skip(): void {
    const { limit } = this.#options;
    this.#packed.filled = this.#packed.start;
    this.#high = 0;
    this.#skipping = true;
    this.lines++;
    this.#refuse(lineFaultError({ code: "event/too-large", limit }));
  }

  #refuse(error: EvsError): void {
    if (!this.#options.refuse(this.#number, error)) this.#ended = true;
  }

  #targetOf(out: Uint8Array): DataView {
    if (this.#view.buffer !== out.buffer) this.#view = new DataView(out.buffer);
    return this.#view;
  }
}

/** Writes the escape of a control character; returns the position behind it. */
function escapeControl(out: Uint8Array, to: number, byte: number): number {
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

/** The text of a string that was escaped here, without its quotes; it may be incomplete. */
function unescaped(escaped: Uint8Array): Uint8Array {
  const text = new Uint8Array(escaped.length);
  let to = 0;
  for (let at = 0; at < escaped.length;) {
    const byte = escaped[at]!;
    if (byte === QUOTE) {
      at++;
      continue;
    }
    if (byte !== BACKSLASH) {
      text[to++] = byte;
      at++;
      continue;
    }
    const letter = escaped[at + 1]!;
    if (letter === LETTER_U) {
      text[to++] = 16 * HEX.indexOf(escaped[at + 4]!) + HEX.indexOf(escaped[at + 5]!);
      at += 6;
    } else {
      text[to++] = CONTROL[letter] ?? letter;
      at += 2;
    }
  }
  return text.subarray(0, to);
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
