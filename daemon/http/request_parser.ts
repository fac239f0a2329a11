/**
 * Takes the requests of a connection apart, whatever the pieces in which they arrive: heads, and
 * bodies in chunks. A body with a length is counted by the connection.
 */
import { Chunks } from "./chunks.ts";
import { RepeatedHead } from "./repeated_head.ts";
import { BadRequestError, latin1, RequestHead } from "./request_head.ts";

/** Chunk sizes with their extensions, and trailers, may be of this length, bytes. */
const MOST_FRAMING = 16 * 1024;
/** A head that comes in pieces is looked at with each of them while it is shorter, bytes. */
const SHORT_HEAD = 4 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const NOTHING = new Uint8Array(0);

/** A size, and extensions (RFC 9112, 7.1.1), which nobody reads. */
const CHUNK =
  /^([0-9a-fA-F]{1,13})(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t !#-\[\]-~]|\\[\t -~])*"))?)*$/;
const TRAILER = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*$/;

/** Reads the requests of one connection, one at a time. */
export class RequestParser {
  readonly #maxHead: number;
  /** The last chunk of the current body has been read. */
  isComplete = false;
  readonly #repeated = new RepeatedHead();
  /** What earlier calls brought of a head, of a line of framing, or of trailers. */
  readonly #rest = new Chunks();
  #bytes = NOTHING;
  #dataBegin = 0;
  #dataEnd = 0;
  /** What is left of a chunk and the line end after it; undefined: its size comes. */
  #left: number | undefined;
  /** The last chunk was there: trailers come. */
  #isTrailing = false;
  #trailers = 0;

  /** `maxHead`: the longest line and headers, bytes. */
  constructor({ maxHead }: { maxHead: number }) {
    this.#maxHead = maxHead;
  }

  /** The size of a chunk is expected, and nothing of it has come. */
  get #isBetweenChunks(): boolean {
    return !this.#isTrailing && this.#rest.length === 0;
  }

  /** Something of a head has come, and it is not complete. Not to be asked within a body. */
  get isInHead(): boolean {
    return this.#rest.length > 0;
  }

  /** What the last call of {@link readChunks} found of the body, joined within the bytes. */
  get data(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#dataBegin, this.#dataEnd);
  }

  /** Reads the bytes as a head; undefined: there is more of it. Throws {@link BadRequestError}. */
  readHead(bytes: Uint8Array): { head: RequestHead; read: number } | undefined {
    const before = this.#rest.length;
    const repeated = before > 0 ? undefined : this.#repeated.find(bytes);
    if (repeated !== undefined) return { head: repeated, read: repeated.size };
    if (before > 0) this.#rest.push(bytes);
    const all = before > 0 ? this.#rest.view() : bytes;
    const isThere = all.length <= SHORT_HEAD || before === 0 ||
      hasEmptyLine(all, Math.max(0, before - 3));
    const head = isThere ? RequestHead.read(all) : undefined;
    if ((head?.size ?? all.length) > this.#maxHead) {
      throw new BadRequestError({ most: this.#maxHead, of: "bytes" });
    }
    if (head === undefined) {
      if (before === 0) this.#rest.push(bytes);
      return undefined;
    }
    this.#repeated.remember(head, all);
    this.#rest.clear();
    return { head, read: head.size - before };
  }

  /**
   * Reads on up to the end of a body in chunks; returns how many bytes were read. Chunks are joined
   * where they are. Throws {@link BadRequestError}.
   */
  readChunks(bytes: Uint8Array<ArrayBuffer>): number {
    this.#bytes = bytes;
    this.#dataBegin = this.#dataEnd = 0;
    let at = 0;
    while (at < bytes.length && !this.isComplete) {
      if (this.#left === undefined) at = this.#readLine(at);
      else at = this.#readData(at, this.#left);
    }
    return at;
  }

  /** The body is over: a head is expected. */
  next(): void {
    this.isComplete = this.#isTrailing = false;
    this.#trailers = 0;
    this.#bytes = NOTHING;
  }

  #readData(at: number, left: number): number {
    const bytes = this.#bytes;
    const length = Math.min(left - 2, bytes.length - at);
    if (length > 0) {
      if (this.#dataBegin === this.#dataEnd) this.#dataBegin = this.#dataEnd = at;
      else bytes.copyWithin(this.#dataEnd, at, at + length);
      this.#dataEnd += length;
      this.#left = left - length;
      return at + length;
    }
    if (bytes[at] !== (left === 2 ? CR : LF)) throw new BadRequestError();
    this.#left = left === 2 ? 1 : undefined;
    return at + 1;
  }

  /** Reads a chunk's size, or a trailer. */
  #readLine(at: number): number {
    const bytes = this.#bytes;
    const digit = digitOf(bytes[at]!);
    if (digit > 0 && bytes[at + 1] === CR && bytes[at + 2] === LF && this.#isBetweenChunks) {
      this.#left = digit + 2; // chunks of a few bytes may be very many
      return at + 3;
    }
    const end = bytes.indexOf(LF, at);
    this.#rest.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    const { length } = this.#rest;
    if (this.#trailers + length > MOST_FRAMING) throw new BadRequestError();
    if (end < 0) {
      // What cannot become a size is refused before its end.
      if (!this.#isTrailing && digitOf(this.#rest.view()[0]!) < 0) throw new BadRequestError();
      return bytes.length;
    }
    const line = this.#rest.take();
    if (line[length - 1] !== CR) throw new BadRequestError();
    if (this.#isTrailing) this.#readTrailer(line.subarray(0, -1));
    else this.#readSize(line.subarray(0, -1));
    return end + 1;
  }

  #readSize(line: Uint8Array): void {
    const size = parseInt(CHUNK.exec(latin1(line))?.[1] ?? "", 16);
    if (!(size >= 0)) throw new BadRequestError();
    if (size === 0) this.#isTrailing = true;
    else this.#left = size + 2;
  }

  /** Trailers are checked and ignored; all of them together are limited. */
  #readTrailer(line: Uint8Array): void {
    if (line.length === 0) this.isComplete = true;
    else if (!TRAILER.test(latin1(line))) throw new BadRequestError();
    this.#trailers += line.length;
  }
}

/** The value of a hexadecimal digit, or -1. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function hasEmptyLine(bytes: Uint8Array, from: number): boolean {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return true;
  }
  return false;
}
