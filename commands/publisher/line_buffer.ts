/**
 * Collects whole lines into request bodies, without inspecting them.
 *
 * Bytes are pushed as they are read; `take` returns all whole lines so far as one body. A line is
 * found only by its line feed, so a million of them cost little more than copying. A line over the
 * limit is not kept: it is skipped, and reported by its number.
 */

const LF = 0x0a;
const FIRST_SIZE = 256 * 1024;
/** Buffers up to this size are reused. */
const SPARE_SIZE = 2 * 1024 * 1024;
/** How many buffers to keep: as many as may come back from requests that were in flight at once. */
const MOST_SPARES = 8;

/** Whole lines, ready to be sent. */
export interface LineBatch {
  body: Uint8Array;
  /** The number of the first line, starting at 1. */
  firstLine: number;
  /** The number of lines, including empty ones. */
  lines: number;
}

/** Lines waiting to be sent in a request. */
export class LineBuffer {
  #buffer = new Uint8Array(FIRST_SIZE);
  #filled = 0;
  /** The position after the last line feed. */
  #ready = 0;
  #nextLine = 1;
  #skip: number;
  #limit: number;
  #discarding = false;
  #ended = false;
  #tooLong = false;
  /** The buffer returned last is reused first: its memory is still in the processor's cache. */
  #spares: Uint8Array<ArrayBuffer>[] = [];

  /** `limit`: the longest line, bytes. `skip`: lines to skip at the start. */
  constructor(options: { limit: number; skip?: number }) {
    this.#limit = options.limit;
    this.#skip = options.skip ?? 0;
  }

  /** The bytes of whole lines that wait. */
  get ready(): number {
    return this.#ready;
  }

  /** The number of the first line that has not been taken. */
  get nextLine(): number {
    return this.#nextLine;
  }

  /**
   * True if {@link nextLine} was skipped for its length. Lines ready before it must be taken first.
   */
  get tooLong(): boolean {
    return this.#tooLong && this.#ready === 0;
  }

  /** True if more may be pushed: not while a line that is too long waits to be reported. */
  get open(): boolean {
    return !this.#tooLong && !this.#ended;
  }

  /** The line that was too long has been reported: it counts as one line. */
  passTooLong(): void {
    this.#tooLong = false;
    this.#nextLine++;
  }

  /** Returns a body that is no longer needed, so that its memory is reused. */
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

  /** The input has ended: a last line without a line feed counts. */
  end(): void {
    this.#ended = true;
    if (this.#filled > this.#ready) {
      this.#append(Uint8Array.of(LF));
      this.#ready = this.#filled;
    }
  }

  /** Takes all whole lines. The body stays unchanged: later lines go into another buffer. */
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
