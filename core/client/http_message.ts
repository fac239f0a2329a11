/**
 * HTTP/1.1 messages as bytes: writing requests and reading responses.
 *
 * Only what our own daemon needs, so it is small and quick to load: responses with a length, in
 * chunks or up to the end of the connection. Reading is linear in the bytes, whatever their pieces;
 * heads and chunk lines are limited in size; bodies are returned as views of the single buffer that
 * the socket is read into.
 */
import { ConnectionLostError } from "../base/errors.ts";

/** A source of bytes, such as a `Deno.Conn`. */
export interface ByteSource {
  read(buffer: Uint8Array): Promise<number | null>;
}

/** One request. */
export interface HttpRequest {
  method: string;
  /** Must be percent-encoded. */
  path: string;
  /** Undefined values are omitted; an array repeats its name. */
  query?: Record<string, QueryValue>;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** Default `application/json` if there is a body. */
  contentType?: string;
  /** Once the response has begun, silence is normal: it continues when there is more. */
  patient?: boolean;
}

/** The types of a query parameter. */
export type QueryValue = string | number | boolean | readonly string[] | undefined;

/** The head of a response. Header names are in lower case. */
export interface HttpHead {
  status: number;
  headers: Map<string, string>;
}

const MAX_HEAD = 64 * 1024;
const MAX_CHUNK_LINE = 1024;
const FIRST_BUFFER = 64 * 1024;
const LARGE_BUFFER = 512 * 1024;
/** Up to this size a body that is in the buffer is copied out of it at once. */
const SMALL_BODY = 16 * 1024;
/** While a body has more to come, pieces of at least this many bytes are returned. */
const PIECE = 256 * 1024;
const LF = 0x0a;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A request as bytes: the head, and the body in the same write if it is small enough. */
export function encodeRequest(request: HttpRequest, protocol: string): Uint8Array[] {
  const body = typeof request.body === "string" ? encoder.encode(request.body) : request.body;
  let head = `${request.method} ${request.path}${encodeQuery(request.query)} HTTP/1.1\r\n` +
    `host: evs\r\nevs-protocol: ${protocol}\r\n`;
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    head += `${name}: ${value}\r\n`;
  }
  if (body !== undefined) {
    head += `content-type: ${request.contentType ?? "application/json"}\r\n`;
    head += `content-length: ${body.length}\r\n`;
  } else if (request.method !== "GET") {
    head += "content-length: 0\r\n";
  }
  const bytes = encoder.encode(head + "\r\n");
  if (body === undefined || body.length === 0) return [bytes];
  if (body.length > 16 * 1024) return [bytes, body];
  const whole = new Uint8Array(bytes.length + body.length);
  whole.set(bytes);
  whole.set(body, bytes.length);
  return [whole];
}

/** `?a=1&b=2`, or the empty string. */
export function encodeQuery(query: Record<string, QueryValue> = {}): string {
  let text = "";
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      text += `${text === "" ? "?" : "&"}${name}=${encodeURIComponent(String(one))}`;
    }
  }
  return text;
}

/** Reads responses, one after another. */
export class MessageReader {
  #source: ByteSource;
  #buffer = new Uint8Array(FIRST_BUFFER);
  #start = 0;
  #end = 0;
  /** The head before, as bytes and as what they say: most are repeated. */
  #before: { bytes: Uint8Array; head: HttpHead } | undefined;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The next head. Undefined if the connection ended before its first byte. */
  async head(): Promise<HttpHead | undefined> {
    while (true) {
      const bytes = await this.#headBytes();
      if (bytes === undefined) return undefined;
      const head = this.#parsed(bytes);
      // 100 and other 1xx responses only announce the final one.
      if (head.status >= 200) return head;
    }
  }

  #parsed(bytes: Uint8Array): HttpHead {
    if (this.#before !== undefined && areEqual(this.#before.bytes, bytes)) return this.#before.head;
    const head = parseHead(decoder.decode(bytes));
    this.#before = { bytes: bytes.slice(), head };
    return head;
  }

  /**
   * The whole body that belongs to `head`, as a copy, if it is small and has arrived with it.
   * Otherwise it is read by {@link body}.
   */
  arrivedBody({ status, headers }: HttpHead): Uint8Array | undefined {
    if (status === 204 || status === 304 || headers.has("transfer-encoding")) return undefined;
    const length = lengthOf(headers.get("content-length") ?? "");
    const there = Math.min(this.#end - this.#start, SMALL_BODY);
    return length === undefined || length > there ? undefined : this.#take(length).slice();
  }

  /** The body that belongs to `head`, as views that are valid until the next one is requested. */
  body(head: HttpHead): AsyncGenerator<Uint8Array, void, undefined> {
    if (head.status === 204 || head.status === 304) return this.#exactly(0);
    if (head.headers.get("transfer-encoding")?.toLowerCase() === "chunked") return this.#chunks();
    const text = head.headers.get("content-length");
    if (text === undefined) return this.#untilEnd();
    const length = lengthOf(text);
    if (length === undefined) throw broken(`a content-length of ${JSON.stringify(text)}`);
    return this.#exactly(length);
  }

  async *#untilEnd(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#start < this.#end || await this.#fill()) yield this.#take(Infinity);
  }

  async *#exactly(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = length; left > 0;) {
      if (this.#isShortOf(left)) await this.#collect(left);
      const view = this.#piece(left);
      left -= view.length;
      yield view;
    }
  }

  /** Small pieces are collected: handling them costs more than their bytes. */
  #isShortOf(left: number): boolean {
    return this.#end - this.#start < Math.min(left, PIECE);
  }

  async #collect(left: number): Promise<void> {
    while (this.#isShortOf(left)) if (!(await this.#fill())) throw cutOff();
  }

  /** What is there of `left` bytes. */
  #piece(left: number): Uint8Array {
    const part = left > this.#end - this.#start ? this.#partOfLine() : 0;
    return this.#take(Math.min(left, this.#end - this.#start - part));
  }

  /**
   * Bytes after the last line feed in the buffer, which wait for the rest of their line. 0 if there
   * is no line feed.
   */
  #partOfLine(): number {
    const last = this.#buffer.subarray(this.#start, this.#end).lastIndexOf(LF) + 1;
    return last === 0 ? 0 : this.#end - this.#start - last;
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    while (true) {
      const size = sizeIn(this.#arrivedLine() ?? await this.#line(MAX_CHUNK_LINE));
      if (size === undefined) throw broken("a chunk without a size");
      if (size === 0) break;
      // Not by another generator: each that a piece goes through takes as long as the rest.
      for (let left = size; left > 0;) {
        if (this.#isShortOf(left)) await this.#collect(left);
        const view = this.#piece(left);
        left -= view.length;
        yield view;
      }
      const end = this.#arrivedLine() ?? await this.#line(2);
      if (end !== "") throw broken("a chunk that does not end where it should");
    }
    while (await this.#line(MAX_HEAD) !== "") {
      // Trailers are ignored.
    }
  }

  /**
   * The next chunk, as a view, if all of it has arrived and is wanted, and the one before was
   * returned to its end: what is held back of one has no line feed ({@link #partOfLine}), so it does
   * not look like the end of a chunk. What was returned before stays valid.
   */
  arrivedChunk(isWanted: (chunk: Uint8Array) => boolean): Uint8Array | undefined {
    if (this.#start === this.#end) return undefined;
    const before = this.#start;
    const size = this.#arrivedLine() === "" ? sizeIn(this.#arrivedLine() ?? "") : undefined;
    if (size !== undefined && size > 0 && size <= this.#end - this.#start) {
      const chunk = this.#take(size);
      if (isWanted(chunk)) return chunk;
    }
    this.#start = before;
    return undefined;
  }

  /** The bytes up to the empty line, with it: a view. */
  async #headBytes(): Promise<Uint8Array | undefined> {
    let seen = 0;
    while (true) {
      const at = endOfHead(this.#buffer.subarray(this.#start, this.#end), seen);
      if (at >= 0) return this.#take(at);
      const have = this.#end - this.#start;
      if (have > MAX_HEAD) throw broken("a head of more than 64 KiB");
      seen = Math.max(0, have - 3);
      if (!(await this.#fill())) {
        if (have === 0) return undefined;
        throw cutOff();
      }
    }
  }

  /** One line without its end, `\r\n` or `\n`. */
  async #line(limit: number): Promise<string> {
    let seen = 0;
    while (true) {
      const line = this.#arrivedLine(seen);
      if (line !== undefined) return line;
      seen = this.#end - this.#start;
      if (seen > limit) throw broken("a line that does not end");
      if (!(await this.#fill())) throw cutOff();
    }
  }

  /** The same if its end is in the buffer, after the first `seen` bytes. */
  #arrivedLine(seen = 0): string | undefined {
    const length = this.#buffer.subarray(this.#start, this.#end).indexOf(LF, seen);
    if (length < 0) return undefined;
    const line = decoder.decode(this.#take(length + 1));
    return line.slice(0, line.endsWith("\r\n") ? -2 : -1);
  }

  #take(most: number): Uint8Array {
    const from = this.#start;
    this.#start = Math.min(this.#end, from + most);
    return this.#buffer.subarray(from, this.#start);
  }

  /** Reads more into the buffer. False at the end of the connection. */
  async #fill(): Promise<boolean> {
    if (this.#start === this.#end) {
      // A reader that is busy enough to fill the small buffer gets the large one.
      if (this.#end === this.#buffer.length && this.#buffer.length < LARGE_BUFFER) {
        this.#buffer = new Uint8Array(LARGE_BUFFER);
      }
      this.#start = this.#end = 0;
    } else if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#end === this.#buffer.length) {
      const larger = new Uint8Array(this.#buffer.length * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    const count = await this.#source.read(this.#buffer.subarray(this.#end));
    if (count === null || count === 0) return false;
    this.#end += count;
    return true;
  }
}

/** The size in the line before a chunk, bytes; undefined if there is none. */
function sizeIn(line: string): number | undefined {
  const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line)?.[1];
  return size === undefined ? undefined : parseInt(size, 16);
}

/** The offset after the empty line that ends a head, or -1. */
function endOfHead(bytes: Uint8Array, from: number): number {
  let at = from;
  while (true) {
    at = bytes.indexOf(LF, at);
    if (at < 0) return -1;
    at++;
    if (bytes[at] === LF) return at + 1;
    if (bytes[at] === 0x0d && bytes[at + 1] === LF) return at + 2;
  }
}

function areEqual(some: Uint8Array, others: Uint8Array): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

/** A length as a header says it; undefined if that is none. */
function lengthOf(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function parseHead(text: string): HttpHead {
  const lines = text.split("\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?:[ \r]|$)/.exec(lines[0] ?? "")?.[1];
  if (status === undefined) throw broken(`${JSON.stringify((lines[0] ?? "").slice(0, 80))}`);
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
}

function broken(what: string): ConnectionLostError {
  return new ConnectionLostError(
    `what answers at the socket is not an evs daemon: it sent ${what}`,
    {
      hint: "evs daemon status",
    },
  );
}

function cutOff(): ConnectionLostError {
  return new ConnectionLostError("the daemon closed the connection in the middle of an answer", {
    hint: "evs daemon status",
  });
}
