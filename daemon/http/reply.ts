/**
 * The response to one request. It is sent in one piece, or begun and written piece by piece; its
 * connection sends the responses in the order of the requests.
 */
import { PROTOCOL, PROTOCOL_HEADER } from "../../core/protocol/constants.ts";
import { concat } from "../../core/base/bytes.ts";
import type { EvsError } from "../../core/base/errors.ts";
import { countGarbage } from "../memory/scavenge.ts";

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");
const LAST_CHUNK = encoder.encode("0\r\n\r\n");
const CONTINUE = encoder.encode("HTTP/1.1 100 Continue\r\n\r\n");

/** The phrases of the status codes that are sent (RFC 9110, 15). */
const PHRASES: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  507: "Insufficient Storage",
};

/** A chunk of at least this size is not copied to get its frame, bytes. */
const LARGE = 32 * 1024;

/** What a reply needs of its connection: tests use another one. */
export interface ReplySink {
  /** There is something to send, or the reply is over. */
  send(): void;
  destroy(): void;
}

/** One response. */
export class Reply {
  /** False: the connection is closed after it. */
  keepAlive: boolean;
  /** About how much memory the head of its request takes, bytes. */
  headMemory = 0;
  /** Called when what was written has been passed on to the socket: there is room for more. */
  onRoom: (() => void) | undefined;
  /** Called when all of it has been sent. */
  onSent: (() => void) | undefined;
  /** Its head has been made: the status cannot change any more. */
  isBegun = false;
  /** Nothing more can be written to it. */
  isOver = false;
  /** What has not been passed on to the socket yet. */
  waiting: Uint8Array[] = [];
  readonly #sink: ReplySink;
  readonly #isHead: boolean;
  readonly #isHttp10: boolean;
  #isChunked = false;
  #headers = "";
  #taken: PromiseWithResolvers<void> | undefined;
  #turn: PromiseWithResolvers<void> | undefined;

  constructor(
    sink: ReplySink,
    request: { method?: string; isHttp10?: boolean; keepAlive: boolean },
  ) {
    this.#sink = sink;
    this.keepAlive = request.keepAlive;
    this.#isHead = request.method === "HEAD";
    this.#isHttp10 = request.isHttp10 ?? false;
  }

  /** Adds a header. Throws if its value would be more than that. */
  header(name: string, value: string): void {
    this.#headers += headerLine(name, value);
  }

  /** Sends all of it. */
  send(status: number, { type, body }: { type: string; body: string | Uint8Array }): void {
    if (this.isOver) return;
    // deno-lint-ignore no-control-regex -- a character is a byte only in ASCII
    const isText = typeof body === "string" && !/[^\x00-\x7f]/.test(body);
    const bytes = isText ? undefined : typeof body === "string" ? encoder.encode(body) : body;
    const length = bytes === undefined ? body.length : bytes.length;
    const head = this.#head(status, `content-type: ${type}\r\ncontent-length: ${length}\r\n`);
    if (this.#isHead || length === 0) this.waiting.push(encoder.encode(head));
    else if (bytes === undefined) this.waiting.push(encoder.encode(head + body));
    else this.waiting.push(encoder.encode(head), bytes);
    this.#finish();
  }

  /** True if it would be what any other response with the same body is. */
  get isPlain(): boolean {
    return this.keepAlive && !this.#isHead && !this.#isHttp10 && this.#headers === "" &&
      !this.isBegun;
  }

  /** Sends a response that was made before, head and all. It must be {@link isPlain}. */
  sendMade(whole: Uint8Array): void {
    if (this.isOver) return;
    this.isBegun = true;
    this.waiting.push(whole);
    this.#finish();
  }

  /** Begins it: what is written follows. The head is sent at once. */
  begin(status: number, headers: Record<string, string>): void {
    if (this.isOver) return;
    this.#isChunked = !this.#isHttp10;
    // For a client of HTTP/1.0 the end of the connection is the end.
    if (!this.#isChunked) this.keepAlive = false;
    const lines = Object.entries(headers).map(([name, value]) => headerLine(name, value)).join("");
    const framing = this.#isChunked ? "transfer-encoding: chunked\r\n" : "";
    this.waiting.push(encoder.encode(this.#head(status, lines + framing)));
    if (this.#isHead) this.#finish();
    else this.#sink.send();
  }

  /**
   * Resolves when there is room for more, or when nobody waits for it any more. `shared`: other
   * replies send the same bytes.
   */
  async write(bytes: Uint8Array, { shared = false } = {}): Promise<void> {
    if (this.isOver || bytes.length === 0) return;
    if (!this.#isChunked) this.waiting.push(bytes);
    else if (shared) this.waiting.push(sharedChunk(bytes));
    else this.#addChunk(bytes);
    this.#taken ??= Promise.withResolvers();
    const { promise } = this.#taken;
    this.#sink.send();
    await promise;
  }

  /** Sends bytes that other replies send, too; {@link onRoom} tells when there is room for more. */
  writeShared(bytes: Uint8Array): void {
    if (this.isOver) return;
    this.waiting.push(this.#isChunked ? sharedChunk(bytes) : bytes);
    this.#sink.send();
  }

  /** Ends what was begun. */
  end(): void {
    if (this.isOver) return;
    if (this.#isChunked) this.waiting.push(LAST_CHUNK);
    this.#finish();
  }

  /** Ends it before it is complete, so that nobody takes it for complete: with its connection. */
  abort(): void {
    this.isOver = true;
    this.#sink.destroy();
  }

  /** Nobody waits for it any more: nothing is sent, and the connection is closed in its place. */
  giveUp(): void {
    if (this.isOver) return;
    if (this.isBegun) return this.abort();
    this.keepAlive = false;
    this.#finish();
  }

  /** Sends an error as all of it; the connection is closed after it. */
  endWith(error: EvsError): void {
    if (this.isOver) return;
    if (this.isBegun) return this.abort();
    this.keepAlive = false;
    const body = `${JSON.stringify({ error: error.toBody() })}\n`;
    this.send(error.status, { type: "application/json", body });
  }

  /** Asks for a body that its client sends only when it is asked. */
  sendContinue(): void {
    if (this.isBegun) return;
    this.waiting.push(CONTINUE);
    this.#sink.send();
  }

  /** Resolves when the responses before it have been sent. */
  turn(): Promise<void> {
    this.#turn ??= Promise.withResolvers();
    return this.#turn.promise;
  }

  /** For the connection: the responses before it have been sent. */
  begins(): void {
    this.#turn?.resolve();
  }

  /** For the connection: what was waiting has been sent. */
  taken(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.resolve();
    this.onRoom?.();
  }

  /** For the connection: it has closed. */
  closed(): void {
    this.isOver = true;
    this.waiting = [];
    this.taken();
    this.#turn?.resolve();
  }

  #head(status: number, lines: string): string {
    this.isBegun = true;
    return `HTTP/1.1 ${status} ${PHRASES[status] ?? ""}\r\n${COMMON}${dateLine()}${this.#headers}${
      this.keepAlive ? this.#isHttp10 ? "connection: keep-alive\r\n" : "" : "connection: close\r\n"
    }${lines}\r\n`;
  }

  /**
   * A large page goes to the socket as it is, because copying it costs as much as sending it. A
   * small one is joined with its frame, so that it is one write.
   */
  #addChunk(bytes: Uint8Array): void {
    if (bytes.length < LARGE) return void this.waiting.push(chunkOf(bytes));
    this.waiting.push(sizeOf(bytes), bytes, CRLF);
  }

  #finish(): void {
    this.isOver = true;
    this.#sink.send();
  }
}

function sizeOf(bytes: Uint8Array): Uint8Array {
  return encoder.encode(`${bytes.length.toString(16)}\r\n`);
}

/** Bytes and their frame in one piece. */
function chunkOf(bytes: Uint8Array): Uint8Array {
  return concat([sizeOf(bytes), bytes, CRLF]);
}

const sharedChunks = new WeakMap<Uint8Array, Uint8Array>();

/** The same, made once for all replies that send it. */
function sharedChunk(bytes: Uint8Array): Uint8Array {
  let chunk = sharedChunks.get(bytes);
  if (chunk === undefined) {
    sharedChunks.set(bytes, chunk = chunkOf(bytes));
    countGarbage(chunk.length);
  }
  return chunk;
}

const COMMON = `${PROTOCOL_HEADER}: ${PROTOCOL}\r\n`;

let second = -1;
let date = "";

/** RFC 9110, 6.6.1: a server that has a clock says what time it is. */
function dateLine(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    date = `date: ${new Date(now * 1000).toUTCString()}\r\n`;
  }
  return date;
}

function headerLine(name: string, value: string): string {
  if (/[^\t\x20-\x7e]/.test(value)) {
    throw new TypeError(`a header cannot be ${JSON.stringify(value)}`);
  }
  return `${name}: ${value}\r\n`;
}
