/**
 * Packs lines of bare payloads as they arrive, without creating an object or a string per event.
 *
 * Incoming bytes are copied into one buffer; lines are validated in place (core/json/scan.ts), and
 * only their boundaries are recorded. The buffer itself is passed to the store. A line that the
 * scanner is not sure about is decoded and parsed like any other, which accepts it after all or
 * says what is wrong with it. See {@link LineReader} for lines that must be inspected.
 */
import { EventRefusedError, type EvsError } from "../../core/base/errors.ts";
import { parseJson } from "../../core/json/json.ts";
import { scanLine, UNSURE } from "../../core/json/scan.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import { type LineFault, lineFaultError } from "./ndjson.ts";
import { PackedBuffer, type PackedPayloads } from "./packed_buffer.ts";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
/** A line of only JSON white space. */
const BLANK = /^[ \t\r]*$/;
/** The options of a packer. */
export interface LinePackerOptions {
  /** The longest line, in bytes. */
  limit: number;
  /** The number of the first line. */
  firstLine: number;
  /**
   * Called for each refused line; returning false ends the reading, and later lines are not
   * inspected.
   */
  refuse(line: number, error: EvsError): boolean;
}

/** Packs a publisher's lines. */
export interface Packer {
  /** True if a refused line ended the reading. */
  readonly ended: boolean;
  /** The bytes of the lines that wait. */
  readonly bytes: number;
  /** The number of the line that comes next or is incomplete. */
  readonly nextLine: number;
  /** True inside a line that was refused for its length. */
  readonly skipping: boolean;
  /** The number of lines seen, without blank ones that count for nothing. */
  readonly lines: number;
  /** Takes the next bytes; they are copied. */
  push(chunk: Uint8Array): void;
  /** Signals the end of the input: a last line without a line feed counts. */
  end(): void;
  /** Returns the payloads so far and gives their buffer away. */
  take(): PackedPayloads | undefined;
  /** Removes and returns the bytes of the incomplete line, to be processed in another way. */
  takeRest(): Uint8Array;
}

/** Packs bare payloads without creating objects. */
export class LinePacker implements Packer {
  readonly #options: LinePackerOptions;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #number: number;
  readonly #packed = new PackedBuffer();
  /** Inside a line that was refused for its length: everything up to its end is skipped. */
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

  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (this.#skipping) {
      const end = chunk.indexOf(LF);
      if (end < 0) return;
      this.#skipping = false;
      this.#number++;
      chunk = chunk.subarray(end + 1);
    }
    this.#append(chunk);
    const packed = this.#packed;
    const last = chunk.lastIndexOf(LF);
    if (last >= 0) this.#scan(packed.filled - chunk.length + last + 1);
    const { limit } = this.#options;
    if (this.#ended || packed.filled - packed.start <= limit) return;
    packed.filled = packed.start;
    this.#skipping = true;
    this.#fault({ code: "event/too-large", limit });
  }

  end(): void {
    const packed = this.#packed;
    if (this.#ended || this.#skipping || packed.filled === packed.start) return;
    this.#append(Uint8Array.of(LF));
    this.#scan(packed.filled);
  }

  take(): PackedPayloads | undefined {
    return this.#packed.take();
  }

  takeRest(): Uint8Array {
    const packed = this.#packed;
    const rest = packed.bytes.slice(packed.start, packed.filled);
    packed.filled = packed.start;
    return rest;
  }

  get skipping(): boolean {
    return this.#skipping;
  }

  #append(chunk: Uint8Array): void {
    const packed = this.#packed;
    packed.reserve(chunk.length);
    packed.bytes.set(chunk, packed.filled);
    packed.filled += chunk.length;
  }

  /** Inspects the lines that end before `whole`, the position after a line feed. */
  #scan(whole: number): void {
    const packed = this.#packed;
    const buffer = packed.bytes;
    const { limit } = this.#options;
    let at = packed.start;
    while (at < whole && !this.#ended) {
      if (buffer[at] === LF) {
        at++;
        this.#number++;
        continue;
      }
      const scanned = scanLine(buffer, at);
      const end = scanned < UNSURE ? ~scanned : scanned;
      if (
        scanned === UNSURE || end - at > limit ||
        (scanned < UNSURE && this.#decode(at, end) === undefined)
      ) {
        const lineEnd = buffer.indexOf(LF, at);
        this.#lookAt(at, lineEnd);
        at = lineEnd + 1;
      } else {
        this.lines++;
        packed.accept(at, end);
        at = buffer[end] === CR ? end + 2 : end + 1;
      }
      this.#number++;
    }
    packed.start = at;
  }

  /** Inspects a line that the scanner is not sure about. */
  #lookAt(start: number, lineEnd: number): void {
    const buffer = this.#packed.bytes;
    const { limit } = this.#options;
    if (lineEnd - start > limit) return this.#fault({ code: "event/too-large", limit });
    const text = this.#decode(start, lineEnd);
    if (text === undefined) {
      const offset = badByteOf(buffer.subarray(start, lineEnd));
      return this.#fault({ code: "event/invalid-utf8", offset });
    }
    if (BLANK.test(text)) return;
    const end = buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    this.lines++;
    try {
      parseJson(text.slice(0, end - lineEnd || undefined));
    } catch (error) {
      if (!(error instanceof EventRefusedError)) throw error;
      return this.#refuse(error);
    }
    // One event is one line: in JSON a carriage return occurs between tokens, where a space means
    // the same.
    for (let at = start; at < end; at++) if (buffer[at] === CR) buffer[at] = SPACE;
    this.#packed.accept(start, end);
  }

  #fault(fault: LineFault): void {
    this.lines++;
    this.#refuse(lineFaultError(fault));
  }

  #refuse(error: EvsError): void {
    if (!this.#options.refuse(this.#number, error)) this.#ended = true;
  }

  #decode(start: number, end: number): string | undefined {
    try {
      return this.#decoder.decode(this.#packed.bytes.subarray(start, end));
    } catch {
      return undefined; // not UTF-8: a fatal decoder has no other way to report that
    }
  }
}
