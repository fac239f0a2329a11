/**
 * The request line and the headers of a request (RFC 9112).
 *
 * It takes less than the RFC lets a server take: what two readers could take for different requests
 * is refused. Tests hold it to `node:http`: what it takes, that takes in the same way
 * (docs/adr/0051-server-of-few-parts.md). The bytes are looked at once and decoded once, as Latin-1;
 * a header is a slice of that text, made when somebody asks for it.
 */
import { EvsError } from "../../core/base/errors.ts";

/** A limit of a request's line and headers. */
export interface HeadLimit {
  most: number;
  of: "bytes" | "headers";
}

/** Why something is not a request. */
export class BadRequestError extends Error {
  override readonly name = "BadRequestError";
  /** The limit that it exceeds; undefined: it is not HTTP/1.1. */
  readonly limit: HeadLimit | undefined;

  constructor(limit?: HeadLimit) {
    super(limit === undefined ? "this is not HTTP/1.1" : "the head is too long");
    this.limit = limit;
  }

  /** The answer to it. */
  toAnswer(): EvsError {
    const { limit } = this;
    const kind = { code: "request/invalid", status: limit === undefined ? 400 : 431, exit: 2 };
    if (limit === undefined) return new EvsError(kind, this.message);
    if (limit.of === "headers") {
      return new EvsError(kind, `a request has at most ${limit.most} headers`, {
        details: { limit: limit.most },
      });
    }
    return new EvsError(
      kind,
      `the request's line and headers are longer than ${limit.most} bytes`,
      {
        details: { limit: limit.most },
        hint:
          "a Last-Event-ID of that length names very many topics: follow fewer, or use from=@TIME",
      },
    );
  }
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const MOST_EMPTY_LINES = 4;
/** Headers of one request. Each takes more memory than its bytes. */
const MOST_HEADERS = 1000;
/** Numbers per header and per request line that say where its parts are. */
const SPANS = 4;
/** Memory of a number, bytes. */
const SPAN_BYTES = 8;
const VERSION = new TextEncoder().encode("HTTP/1.");

/** Marks the characters that match, one for each byte. */
function table(pattern: RegExp): Uint8Array {
  return Uint8Array.from(
    { length: 256 },
    (_, byte) => pattern.test(String.fromCharCode(byte)) ? 1 : 0,
  );
}

const METHOD = table(/[A-Z]/);
/** RFC 9110, 9, and PATCH. The router refuses in words those that no route has. */
const METHODS = new Set(
  ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
);
const TARGET = table(/[!-~]/);
const NAME = table(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/);
const VALUE = table(/[\t -~\x80-\xff]/);
/** A target is a path, a whole URL, or `*`; of CONNECT it is a host and a port. */
const TARGET_FORM = /^(?:\/|\*$|[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#])/;

/** The end of the bytes from `at` on that are in the table. */
function endOf(bytes: Uint8Array, at: number, among: Uint8Array): number {
  while (at < bytes.length && among[bytes[at]!] === 1) at++;
  return at;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A character a byte. */
export function latin1(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  // Each byte was a character of its own, so all of them are ASCII.
  if (text.length === bytes.length && !text.includes("\ufffd")) return text;
  let other = "";
  for (const byte of bytes) other += String.fromCharCode(byte);
  return other;
}

/** Looks at bytes as a head, without the bytes that are not there yet. */
class HeadScanner {
  /** Begin and end of the method, of the target, and of each header's name and value. */
  readonly spans: number[] = [];
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The length of the head; undefined: there is more of it. Throws {@link BadRequestError}. */
  scan(): number | undefined {
    const bytes = this.#bytes;
    // Empty lines before a request are passed over (RFC 9112, 2.2), but not without end.
    for (let n = 0; n < MOST_EMPTY_LINES && bytes[this.#at] === CR; n++) {
      if (!this.#takes(CR) || !this.#takes(LF)) return undefined;
    }
    if (!this.#span(METHOD) || !this.#takes(SPACE)) return undefined;
    if (!this.#span(TARGET) || !this.#takes(SPACE)) return undefined;
    for (const byte of VERSION) if (!this.#takes(byte)) return undefined;
    const minor = bytes[this.#at];
    if (minor !== 0x30 && minor !== 0x31) return this.#refuseUnlessCut();
    this.#at++;
    if (!this.#takes(CR) || !this.#takes(LF)) return undefined;
    while (bytes[this.#at] !== CR) if (!this.#header()) return undefined;
    this.#at++;
    return this.#takes(LF) ? this.#at : undefined;
  }

  #header(): boolean {
    if (this.spans.length > MOST_HEADERS * SPANS) {
      throw new BadRequestError({ most: MOST_HEADERS, of: "headers" });
    }
    if (!this.#span(NAME) || !this.#takes(COLON)) return false;
    const bytes = this.#bytes;
    while (bytes[this.#at] === SPACE || bytes[this.#at] === TAB) this.#at++;
    const begin = this.#at;
    this.#at = endOf(bytes, begin, VALUE);
    let end = this.#at;
    while (end > begin && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
    this.spans.push(begin, end);
    return this.#takes(CR) && this.#takes(LF);
  }

  /** One character at least. False: it may go on. */
  #span(among: Uint8Array): boolean {
    const begin = this.#at;
    this.#at = endOf(this.#bytes, begin, among);
    this.spans.push(begin, this.#at);
    if (this.#at === this.#bytes.length) return false;
    if (this.#at === begin) throw new BadRequestError();
    return true;
  }

  #takes(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) return this.#refuseUnlessCut() ?? false;
    this.#at++;
    return true;
  }

  #refuseUnlessCut(): undefined {
    if (this.#at < this.#bytes.length) throw new BadRequestError();
  }
}

/** The request line and the headers of one request. */
export class RequestHead {
  readonly method: string;
  /** As it was sent. */
  readonly url: string;
  readonly isHttp10: boolean;
  /** The client keeps the connection for more requests. */
  readonly keepAlive: boolean;
  /** The length of the body; undefined: it comes in chunks. */
  readonly length: number | undefined;
  /** How many bytes the head is. */
  readonly size: number;
  /** Its connection knows it again. */
  isKept = false;
  readonly #text: string;
  readonly #spans: readonly number[];

  private constructor(text: string, spans: readonly number[]) {
    this.#text = text;
    this.#spans = spans;
    this.size = text.length;
    this.method = text.slice(spans[0], spans[1]);
    this.url = text.slice(spans[2], spans[3]);
    this.isHttp10 = text[spans[3]! + 1 + VERSION.length] === "0";
    const isTarget = this.method === "CONNECT" || TARGET_FORM.test(this.url);
    if (!METHODS.has(this.method) || !isTarget) throw new BadRequestError();
    this.keepAlive = this.#keepsAlive();
    this.length = this.#bodyLength();
  }

  /** About how much memory it takes, bytes. */
  get memory(): number {
    return this.size + this.#spans.length * SPAN_BYTES;
  }

  /** Reads a head; undefined: it is not complete. Throws {@link BadRequestError}. */
  static read(bytes: Uint8Array): RequestHead | undefined {
    const scanner = new HeadScanner(bytes);
    const size = scanner.scan();
    if (size === undefined) return undefined;
    return new RequestHead(latin1(bytes.subarray(0, size)), scanner.spans);
  }

  /** The value of a header; several are joined as one list. `name`: in lower case. */
  header(name: string): string | undefined {
    let found: string | undefined;
    const spans = this.#spans;
    for (let i = SPANS; i < spans.length; i += SPANS) {
      if (!this.#isName(i, name)) continue;
      const value = this.#text.slice(spans[i + 2], spans[i + 3]);
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }

  /** How often a header is there. */
  count(name: string): number {
    let count = 0;
    for (let i = SPANS; i < this.#spans.length; i += SPANS) if (this.#isName(i, name)) count++;
    return count;
  }

  /** All headers, by their names in lower case. */
  headers(): Record<string, string> {
    const headers: Record<string, string> = Object.create(null);
    const spans = this.#spans;
    for (let i = SPANS; i < spans.length; i += SPANS) {
      const name = this.#text.slice(spans[i], spans[i + 1]).toLowerCase();
      const value = this.#text.slice(spans[i + 2], spans[i + 3]);
      headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    }
    return headers;
  }

  #isName(i: number, name: string): boolean {
    const begin = this.#spans[i]!;
    const end = this.#spans[i + 1]!;
    if (end - begin !== name.length) return false;
    return this.#text.startsWith(name, begin) ||
      this.#text.slice(begin, end).toLowerCase() === name;
  }

  #keepsAlive(): boolean {
    const options = this.header("connection")?.toLowerCase().split(/[ \t]*,[ \t]*/);
    if (options === undefined) return !this.isHttp10;
    return !options.includes("close") && (!this.isHttp10 || options.includes("keep-alive"));
  }

  #bodyLength(): number | undefined {
    const length = this.header("content-length");
    const encoding = this.header("transfer-encoding");
    if (encoding !== undefined) {
      // With a length, too, or in HTTP/1.0, which has no chunks, its end could be another one.
      const isClear = length === undefined && !this.isHttp10 && this.method !== "CONNECT";
      if (!isClear || encoding.toLowerCase() !== "chunked") throw new BadRequestError();
      return undefined;
    }
    if (length === undefined) return 0;
    if (!/^\d{1,15}$/.test(length)) throw new BadRequestError();
    return Number(length);
  }
}
