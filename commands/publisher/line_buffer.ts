/**
 * Gathers whole lines into request bodies, without looking at what is in them.
 *
 * Bytes go in as they are read; `take` gives all whole lines so far as one body. A line is found
 * only by its line feed, so a million of them cost little more than copying them. A line over the
 * limit is not kept: it is passed over up to its end, and told by its number.
 */

const LF = 0x0a;
const FIRST_SIZE = 256 * 1024;
/** Buffers up to this size are used again. */
const SPARE_SIZE = 2 * 1024 * 1024;
/** So many of them are kept: as many as may come back from requests that were under way at once. */
const MOST_SPARES = 8;

/** Whole lines, ready to be sent. */
export interface LineBatch {
  body: Uint8Array;
  /** The number of the first line, from 1. */
  firstLine: number;
  /** How many, empty ones included. */
  lines: number;
}

/** Lines on their way into a request. */
export class LineBuffer {
  #buffer = new Uint8Array(FIRST_SIZE);
  #filled = 0;
  /** Just behind the last line feed. */
  #ready = 0;
  #nextLine = 1;
  #skip: number;
  #limit: number;
  #discarding = false;
  #ended = false;
  #tooLong = false;
  /** The last one back is the first used again: its memory is still in the processor's cache. */
  #spares: Uint8Array<ArrayBuffer>[] = [];

  /** `limit`: the longest line, bytes. `skip`: lines to pass over at the beginning. */
  constructor(options: { limit: number; skip?: number }) {
    this.#limit = options.limit;
    this.#skip = options.skip ?? 0;
  }

  /** Bytes of whole lines that wait. */
  get ready(): number {
    return this.#ready;
  }

  /** The number of the first line that has not been taken. */
  get nextLine(): number {
    return this.#nextLine;
  }

  /**
   * True when {@link nextLine} was passed over for its length. What was ready before it must be
   * taken first.
   */
  get tooLong(): boolean {
    return this.#tooLong && this.#ready === 0;
  }

  /** True when more may be pushed: not while a line that is too long waits to be told. */
  get open(): boolean {
    return !this.#tooLong && !this.#ended;
  }

  /** The line that was too long has been told: it counts as one line. */
  passTooLong(): void {
    this.#tooLong = false;
    this.#nextLine++;
  }

  /** Gives a body back that is needed no more, so that its memory is used again. */
  recycle(body: Uint8Array): void {
    const { buffer } = body;
    if (
      buffer instanceof ArrayBuffer && buffer.byteLength <= SPARE_SIZE &&
      this.#spares.length < MOST_SPARES
    ) this.#spares.push(new Uint8Array(buffer));
  }

  /** Adds bytes; they are copied. */
  push(chunk: Uint8Array): void {
    let rest = this.#skipLines(chunk);
    if (this.#discarding) {
      const end = rest.indexOf(LF);
      if (end < 0) return;
      this.#discarding = false;
      rest = rest.subarray(end + 1);
    }
    const last = rest.lastIndexOf(LF);
    this.#append(rest);
    if (last >= 0) this.#ready = this.#filled - (rest.length - last - 1);
    if (this.#filled - this.#ready > this.#limit) {
      this.#filled = this.#ready;
      this.#discarding = true;
      this.#tooLong = true;
    }
  }

  /** The input ended: a last line without a line feed counts. */
  end(): void {
    this.#ended = true;
    if (this.#filled > this.#ready) {
      this.#append(Uint8Array.of(LF));
      this.#ready = this.#filled;
    }
  }

  /** All whole lines. The body stays as it is: what comes next goes into another buffer. */
  take(): LineBatch | undefined {
    if (this.#ready === 0) return undefined;
    const body = this.#buffer.subarray(0, this.#ready);
    const rest = this.#buffer.subarray(this.#ready, this.#filled);
    const spare = this.#spares.pop();
    this.#buffer = spare !== undefined && spare.length > rest.length
      ? spare
      : new Uint8Array(Math.max(FIRST_SIZE, rest.length * 2));
    this.#buffer.set(rest);
    this.#filled = rest.length;
    this.#ready = 0;
    const lines = countLines(body);
    const firstLine = this.#nextLine;
    this.#nextLine += lines;
    return { body, firstLine, lines };
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#filled + bytes.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled = needed;
  }

  #skipLines(chunk: Uint8Array): Uint8Array {
    let from = 0;
    while (this.#skip > 0) {
      const end = chunk.indexOf(LF, from);
      if (end < 0) return chunk.subarray(chunk.length);
      from = end + 1;
      this.#skip--;
      this.#nextLine++;
    }
    return chunk.subarray(from);
  }
}

function countLines(body: Uint8Array): number {
  let lines = 0;
  for (let at = body.indexOf(LF); at >= 0; at = body.indexOf(LF, at + 1)) lines++;
  return lines;
}
