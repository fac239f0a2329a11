/**
 * Packs lines of bare payloads as they arrive, without creating an object or a string per event.
 *
 * Incoming bytes are copied into one buffer; lines are validated in place (core/json/scan.ts), and
 * only their boundaries are recorded. The buffer itself is passed to the store. A line that the
 * scanner is not sure about is decoded and parsed like any other, which accepts it after all or
 * says what is wrong with it. See {@link LineReader} for lines that must be inspected.
 */
import { takeBuffer } from "../../core/base/buffer_pool.ts";
import { EventRefusedError, type EvsError } from "../../core/base/errors.ts";
import { parseJson } from "../../core/json/json.ts";
import { scanLine, UNSURE } from "../../core/json/scan.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import { type LineFault, lineFaultError } from "./ndjson.ts";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
/** A line of only JSON white space. */
const BLANK = /^[ \t\r]*$/;
/** A chunk of at least this size is probably one of many. */
const LARGE_CHUNK = 32 * 1024;
/** Holds what is appended together, plus the chunk that fills it up. */
const LARGE_BUFFER = 1152 * 1024;
const FIRST_LINES = 256;

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

/** Accepted payloads: the columns of a `PackedRequest` that come from the publisher. */
export interface PackedPayloads {
  count: number;
  payloads: Uint8Array<ArrayBuffer>;
  bounds: Uint32Array<ArrayBuffer>;
}

/** Packs bare payloads without creating objects. */
export class LinePacker {
  readonly #options: LinePackerOptions;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #number: number;
  #buffer = new Uint8Array(0);
  #filled = 0;
  /** Where the incomplete last line starts. */
  #start = 0;
  #bounds = new Uint32Array(2 * FIRST_LINES);
  #count = 0;
  /** Inside a line that was refused for its length: everything up to its end is skipped. */
  #skipping = false;
  #ended = false;
  /** The number of lines seen, without blank ones. */
  lines = 0;

  constructor(options: LinePackerOptions) {
    this.#options = options;
    this.#number = options.firstLine;
  }

  /** True if a refused line ended the reading. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The number of payloads that wait to be taken. */
  get count(): number {
    return this.#count;
  }

  /** The bytes of the lines that wait. */
  get bytes(): number {
    return this.#start;
  }

  /** The number of the line that comes next or is incomplete. */
  get nextLine(): number {
    return this.#number;
  }

  /** Takes the next bytes; they are copied. */
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
    const last = chunk.lastIndexOf(LF);
    if (last >= 0) this.#scan(this.#filled - chunk.length + last + 1);
    const { limit } = this.#options;
    if (this.#ended || this.#filled - this.#start <= limit) return;
    this.#filled = this.#start;
    this.#skipping = true;
    this.#fault({ code: "event/too-large", limit });
  }

  /** Signals the end of the input: a last line without a line feed counts. */
  end(): void {
    if (this.#ended || this.#skipping || this.#filled === this.#start) return;
    this.#append(Uint8Array.of(LF));
    this.#scan(this.#filled);
  }

  /** Returns the payloads so far and gives their buffer away. */
  take(): PackedPayloads | undefined {
    if (this.#count === 0) return undefined;
    const taken = {
      count: this.#count,
      payloads: this.#buffer.subarray(0, this.#start),
      bounds: this.#bounds.slice(0, 2 * this.#count),
    };
    const rest = this.#buffer.subarray(this.#start, this.#filled);
    this.#buffer = rest.slice();
    this.#filled = rest.length;
    this.#start = 0;
    this.#count = 0;
    return taken;
  }

  /** Removes and returns the bytes of the incomplete line, to be processed in another way. */
  takeRest(): Uint8Array {
    const rest = this.#buffer.slice(this.#start, this.#filled);
    this.#filled = this.#start;
    return rest;
  }

  /** True inside a line that was refused for its length. */
  get skipping(): boolean {
    return this.#skipping;
  }

  #append(chunk: Uint8Array): void {
    if (this.#count === 0 && this.#start > 0) {
      // Only blank and refused lines: nobody will take them.
      this.#buffer.copyWithin(0, this.#start, this.#filled);
      this.#filled -= this.#start;
      this.#start = 0;
    }
    const needed = this.#filled + chunk.length;
    if (needed > this.#buffer.length) {
      const least = chunk.length < LARGE_CHUNK ? 2 * this.#buffer.length : LARGE_BUFFER;
      const larger = takeBuffer(
        needed > LARGE_BUFFER ? 2 * needed : Math.max(needed, least),
      );
      larger.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#filled);
    this.#filled = needed;
  }

  /** Inspects the lines that end before `whole`, the position after a line feed. */
  #scan(whole: number): void {
    const buffer = this.#buffer;
    const { limit } = this.#options;
    let at = this.#start;
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
        this.#accept(at, end);
        at = buffer[end] === CR ? end + 2 : end + 1;
      }
      this.#number++;
    }
    this.#start = at;
  }

  #accept(start: number, end: number): void {
    const at = 2 * this.#count++;
    if (at === this.#bounds.length) {
      const larger = new Uint32Array(2 * at);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[at] = start;
    this.#bounds[at + 1] = end;
  }

  /** Inspects a line that the scanner is not sure about. */
  #lookAt(start: number, lineEnd: number): void {
    const buffer = this.#buffer;
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
    this.#accept(start, end);
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
      return this.#decoder.decode(this.#buffer.subarray(start, end));
    } catch {
      return undefined; // not UTF-8: a fatal decoder has no other way to report that
    }
  }
}
