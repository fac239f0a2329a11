/**
 * One connection to the daemon: HTTP/1.1 over a Unix socket, keep-alive, with optional pipelining.
 *
 * `request` sends a request and waits for its response. `send` and `receive` are the two halves for
 * a pipeline: responses arrive in the order of the requests, and each body must be read to its end
 * before the next response is received.
 */
import {
  CannotStoreError,
  ConnectionLostError,
  NoDaemonError,
  NotAnsweringError,
  ProtocolMismatchError,
  SocketError,
} from "../base/errors.ts";
import { encodeRequest, type HttpHead, type HttpRequest, MessageReader } from "./http_message.ts";
import { PROTOCOL, PROTOCOL_HEADER } from "../protocol/constants.ts";

export type { HttpRequest, QueryValue } from "./http_message.ts";

/** What a connection needs of a socket. */
export interface Duplex {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
  /** For watched sockets: whether silence is expected now. */
  patient?: boolean;
}

/** After this long without a byte, a client checks whether the daemon answers at all, ms. */
export const QUIET_MS = 1000;

const LF = 0x0a;
const EMPTY = new Uint8Array(0);
const decoder = new TextDecoder();

/** A response. Its body can be read once, by one of the methods. */
export class HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Map<string, string>;
  #body: Uint8Array | AsyncGenerator<Uint8Array, void, undefined>;

  /** `body`: all of it, or as it arrives. */
  constructor(head: HttpHead, body: Uint8Array | AsyncGenerator<Uint8Array, void, undefined>) {
    this.status = head.status;
    this.headers = head.headers;
    this.#body = body;
  }

  /** True if nothing of the body has to be waited for. */
  get arrived(): boolean {
    return this.#body instanceof Uint8Array;
  }

  /** The body as it arrives. Each piece is a view that is valid until the next one is requested. */
  body(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#body instanceof Uint8Array ? once(this.#body) : this.#body;
  }

  /**
   * The next chunk of a body that is being read, if it has arrived and is wanted. Views that were
   * returned before stay valid.
   */
  arrivedChunk(isWanted: (chunk: Uint8Array) => boolean): Uint8Array | undefined {
    return this.#body instanceof ResponseBody ? this.#body.arrivedChunk(isWanted) : undefined;
  }

  /** The whole body. */
  async bytes(): Promise<Uint8Array> {
    if (this.#body instanceof Uint8Array) return this.#body;
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of this.#body) {
      pieces.push(piece.slice());
      length += piece.length;
    }
    if (pieces.length === 1) return pieces[0] ?? EMPTY;
    return join(pieces, length);
  }

  async text(): Promise<string> {
    return decoder.decode(await this.bytes());
  }

  async json<T>(): Promise<T> {
    const text = await this.text();
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new ConnectionLostError(
        `what answers at the socket is not an evs daemon: ${
          JSON.stringify(text.slice(0, 80))
        } is not JSON`,
        { hint: "evs daemon status", cause },
      );
    }
  }

  /**
   * The body's lines without their line feeds, including a last line without one. Views, as in
   * {@link body}.
   */
  lines(): AsyncGenerator<Uint8Array, void, undefined> {
    return splitLines(this.body());
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.length > 0) yield bytes;
}

/** Splits pieces into lines without their line feeds. A line within one piece is a view of it. */
export async function* splitLines(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let heldLength = 0;
  for await (const piece of pieces) {
    let from = 0;
    while (true) {
      const at = piece.indexOf(LF, from);
      if (at < 0) break;
      const rest = piece.subarray(from, at);
      from = at + 1;
      if (heldLength === 0) {
        yield rest;
      } else {
        held.push(rest);
        yield join(held, heldLength + rest.length);
        held = [];
        heldLength = 0;
      }
    }
    if (from < piece.length) {
      held.push(piece.slice(from));
      heldLength += piece.length - from;
    }
  }
  if (heldLength > 0) yield join(held, heldLength);
}

/** What ends the wait for a response from outside. */
interface AskedWith {
  signal?: AbortSignal;
  /** The signal is not looked at any more. */
  done?: () => void;
}

/** What a body needs of its connection. */
interface BodyOptions {
  head: HttpHead;
  /** Called once, when no more of it is read. */
  ended(isComplete: boolean): void;
  /** The error for whoever reads it. */
  reasonOf(error: unknown): unknown;
}

/**
 * A body as it arrives. A class and not a generator around the one that reads: each of those that a
 * piece goes through takes as long as reading it.
 */
class ResponseBody implements AsyncGenerator<Uint8Array, void, undefined> {
  readonly #reader: MessageReader;
  readonly #pieces: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #options: BodyOptions;
  #hasEnded = false;

  constructor(reader: MessageReader, options: BodyOptions) {
    this.#reader = reader;
    this.#pieces = reader.body(options.head);
    this.#options = options;
  }

  next(): Promise<IteratorResult<Uint8Array, void>> {
    return this.#pieces.next().then(this.#came, this.#failed);
  }

  arrivedChunk(isWanted: (chunk: Uint8Array) => boolean): Uint8Array | undefined {
    return this.#hasEnded ? undefined : this.#reader.arrivedChunk(isWanted);
  }

  return(): Promise<IteratorResult<Uint8Array, void>> {
    this.#end(false);
    return this.#pieces.return();
  }

  throw(error: unknown): Promise<IteratorResult<Uint8Array, void>> {
    this.#end(false);
    return this.#pieces.throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  readonly #came = (piece: IteratorResult<Uint8Array, void>) => {
    if (piece.done) this.#end(true);
    return piece;
  };

  readonly #failed = (error: unknown): never => {
    this.#end(false);
    throw this.#options.reasonOf(error);
  };

  #end(isComplete: boolean): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#options.ended(isComplete);
  }
}

/** An open connection. */
export class Connection {
  /** True while a response is outstanding or its body has not been read to the end. */
  get busy(): boolean {
    return this.#outstanding > 0;
  }
  /** True once it cannot be used any more. */
  get closed(): boolean {
    return this.#closed;
  }

  #conn: Duplex;
  #reader: MessageReader;
  #outstanding = 0;
  #closed = false;

  constructor(conn: Duplex) {
    this.#conn = conn;
    this.#reader = new MessageReader(conn);
  }

  /** Connects. Throws `NoDaemonError` if nothing answers there. `watch` may wrap the socket. */
  static async open(
    socket: string,
    watch: (conn: Duplex) => Duplex = (conn) => conn,
  ): Promise<Connection> {
    try {
      return new Connection(watch(await Deno.connect({ transport: "unix", path: socket })));
    } catch (error) {
      throw connectError(error, socket);
    }
  }

  /**
   * Sends one request and returns its response. If the signal aborts, closes the connection and
   * rejects with its reason.
   */
  async request(
    request: HttpRequest,
    options: { signal?: AbortSignal } = {},
  ): Promise<HttpResponse> {
    const { signal } = options;
    if (signal === undefined) return await this.#exchange(request, {});
    signal.throwIfAborted();
    const onAbort = () => this.close();
    signal.addEventListener("abort", onAbort, { once: true });
    const done = () => signal.removeEventListener("abort", onAbort);
    try {
      const response = await this.#exchange(request, { signal, done });
      if (response.arrived) done();
      return response;
    } catch (error) {
      done();
      signal.throwIfAborted();
      throw error;
    }
  }

  /**
   * Writes a request without waiting for its response; resolves when the socket has accepted all of
   * it.
   */
  async send(request: HttpRequest): Promise<void> {
    if (this.#closed) throw lost();
    this.#outstanding++;
    this.#conn.patient = false;
    try {
      for (const bytes of encodeRequest(request, String(PROTOCOL))) await this.#write(bytes);
    } catch (error) {
      // Keep the connection open: a response that explains the error (too large, stopping) may be
      // waiting.
      throw this.#reason(error);
    }
  }

  /** The next response, in the order of the requests. */
  async receive(asked: AskedWith = {}): Promise<HttpResponse> {
    let head: HttpHead | undefined;
    try {
      head = await this.#reader.head();
    } catch (error) {
      this.close();
      throw this.#reason(error);
    }
    if (head === undefined) {
      this.close();
      throw lost();
    }
    checkProtocol(head);
    const arrived = this.#reader.arrivedBody(head);
    if (arrived === undefined) return new HttpResponse(head, this.#bodyOf(head, asked));
    this.#settle(head);
    return new HttpResponse(head, arrived);
  }

  /** Closes at once; pending calls are rejected. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  async #exchange(request: HttpRequest, asked: AskedWith): Promise<HttpResponse> {
    let failed: unknown;
    try {
      await this.send(request);
    } catch (error) {
      if (this.#closed) throw error;
      failed = error;
    }
    try {
      const response = await this.receive(asked);
      if (request.patient) this.#conn.patient = true;
      return response;
    } catch (error) {
      throw failed ?? error;
    }
  }

  /** The error for the caller of a failed read or write. */
  #reason(error: unknown): unknown {
    if (error instanceof NotAnsweringError) {
      this.close();
      return error;
    }
    return error instanceof ConnectionLostError ? error : lost(error);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
  }

  /**
   * The body. Once it has been read, the connection is free again; if the reader leaves early, the
   * connection is closed.
   */
  #bodyOf(head: HttpHead, { signal, done }: AskedWith): ResponseBody {
    return new ResponseBody(this.#reader, {
      head,
      ended: (isComplete) => {
        this.#settle(head);
        if (!isComplete) this.close();
        done?.();
      },
      reasonOf: (error) => {
        const reason = this.#reason(error);
        signal?.throwIfAborted();
        return reason;
      },
    });
  }

  /** A response has been read to its end. */
  #settle({ headers }: HttpHead): void {
    this.#outstanding--;
    if (headers.get("connection")?.toLowerCase() === "close") this.close();
  }
}

function checkProtocol(head: HttpHead): void {
  const theirs = head.headers.get(PROTOCOL_HEADER);
  if (theirs === undefined || theirs === String(PROTOCOL)) return;
  throw new ProtocolMismatchError(
    `this evs speaks protocol ${PROTOCOL}, the daemon speaks ${theirs}`,
    {
      hint: "evs daemon stop && evs daemon start",
      details: { client: PROTOCOL, daemon: Number(theirs) },
    },
  );
}

function connectError(error: unknown, socket: string): unknown {
  const options = { hint: "evs daemon start", details: { socket }, cause: error };
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused) {
    return new NoDaemonError(`no daemon answers at ${socket}`, options);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new SocketError("socket/not-ours", `the socket ${socket} belongs to somebody else`, {
      hint: `ls -l ${socket}`,
      details: { socket },
      cause: error,
    });
  }
  if (error instanceof Deno.errors.WouldBlock) {
    return new CannotStoreError("the daemon has more connections waiting than it can take", {
      code: "daemon/busy",
      hint: "try again in a moment; evs status shows how many there are",
      details: { socket },
      cause: error,
    });
  }
  if (error instanceof Deno.errors.NotCapable) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new NoDaemonError(`cannot reach a daemon at ${socket}: ${reason}`, options);
}

function lost(cause?: unknown): ConnectionLostError {
  return new ConnectionLostError("the daemon went away", { hint: "evs daemon status", cause });
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
