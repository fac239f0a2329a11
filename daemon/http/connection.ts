/**
 * One accepted connection.
 *
 * It is read only while what it sends has somewhere to go: while the requests without an answer that
 * its client has taken are fewer than {@link MOST_PIPELINED}, with heads that take less than
 * {@link MAX_HEADER_BYTES}, and once a route has taken what has arrived of a body. So a client that
 * takes no answers fills its own side of the socket (contract row 15). Responses are sent in the
 * order of the requests. What the connection waits for, and for how long, is one number, {@link
 * ServerConnection.due} (contract row 18).
 */
import { concat } from "../../core/base/bytes.ts";
import type { Clock } from "../../core/base/clock.ts";
import { EvsError } from "../../core/base/errors.ts";
import { turn } from "../../core/base/in_turns.ts";
import { drainingError } from "./draining_error.ts";
import { Reply } from "./reply.ts";
import { IncomingRequest, RequestBody } from "./request.ts";
import { BadRequestError, type RequestHead } from "./request_head.ts";
import { RequestParser } from "./request_parser.ts";

/** Requests of one connection whose responses have not been sent. `evs` sends 8 at once. */
const MOST_PIPELINED = 64;
/**
 * To resume, a tail of a pattern sends its position in every topic: this leaves room for thousands.
 */
const MAX_HEADER_BYTES = 256 * 1024;
/** Headers must be complete within this time, ms (contract row 18). */
const HEADERS_TIMEOUT = 5000;
/** A body that has started is dropped after this long without a byte (contract row 18), ms. */
const BODY_IDLE = 10_000;
/** The most bytes to discard of what nobody reads. */
const UNREAD = 64 * 1024;
/**
 * How long to keep an idle connection: consumers and publishers come back. It is also closed when
 * for so long it is neither read nor written to, because nothing would tell that its client is gone.
 */
const KEEP_ALIVE = 10 * 60_000;
/**
 * While the daemon stops, a connection is kept open for this long after its last response, ms: a
 * request already on its way gets a reply of its own. One that comes even later finds a last reply
 * (contract row 19).
 */
const GRACE = 100;
/** What is read at once, bytes: between requests, and at most of a body. */
const SMALL_READ = 4 * 1024;
const LARGE_READ = 64 * 1024;
/**
 * What is there is read without a turn of the event loop. After so many bytes everything else gets
 * one; a request counts as some of them, because of what it takes to answer it.
 */
const FAIR_SHARE = 64 * 1024;
const REQUEST_SHARE = 1024;
/** Pieces of responses up to this size are joined into one write, bytes. */
const JOINED = 32 * 1024;

const NOTHING = new Uint8Array(0);
const NONE: readonly Reply[] = [];

/** Thrown to whoever reads a body when the rest of it will not come. */
export class ConnectionGoneError extends Error {
  override readonly name = "ConnectionGoneError";
}

/** What a connection needs of the server. */
export interface ConnectionHost {
  readonly clock: Clock;
  /** A request has arrived, with as much of its body as came along. */
  requested(connection: ServerConnection, exchange: Exchange): void;
  /** It has a new {@link ServerConnection.due}. */
  dueChanged(connection: ServerConnection): void;
  closed(connection: ServerConnection): void;
}

/** A request and the response to it. */
export interface Exchange {
  connection: ServerConnection;
  request: IncomingRequest;
  reply: Reply;
}

/** One connection. */
export class ServerConnection {
  readonly name: string;
  /** How long to keep the leases bound to it after it has closed, ms. */
  lingerMs = 0;
  /** When to give up on what it waits for, monotonic ms. */
  due = Infinity;
  readonly #conn: Deno.Conn;
  readonly #host: ConnectionHost;
  readonly #parser = new RequestParser({ maxHead: MAX_HEADER_BYTES });
  /** The responses that have not been sent, in the order of their requests. */
  readonly #replies: Reply[] = [];
  #buffer = NOTHING;
  /** The body of the last request. */
  #body: RequestBody | undefined;
  /** The request whose body is arriving. */
  #arriving: Exchange | undefined;
  /** What is left of a body with a length, bytes. */
  #left = 0;
  #expectsContinue = false;
  /** What arrives is discarded: how many more bytes may be. */
  #discarding: number | undefined;
  /** When the head that has begun must be complete; undefined between two requests. */
  #headDue: number | undefined;
  /** No further request is read: the connection is closed after the last response. */
  #isLast = false;
  /** Nothing more is read. */
  #hasEnded = false;
  #isClosed = false;
  #isDraining = false;
  #abort: AbortController | undefined;
  #room: (() => void) | undefined;
  /** What has been read since everything else had its turn, bytes. */
  #sinceTurn = 0;
  /** What is being sent, and how many responses end with it. */
  #sending: Uint8Array[] = [];
  #piece: Uint8Array = NOTHING;
  #isSending = false;
  #ending = 0;

  constructor(conn: Deno.Conn, { name, host }: { name: string; host: ConnectionHost }) {
    this.#conn = conn;
    this.name = name;
    this.#host = host;
    this.#headDue = host.clock.monotonic() + HEADERS_TIMEOUT;
  }

  /** Nobody can take a response any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Aborted when it closes, and when its client has ended its side: it waits for nothing new. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#hasEnded) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** Resolves when the responses before this one have been sent; undefined: they have been. */
  turnOf(reply: Reply): Promise<void> | undefined {
    return this.#replies[0] === reply ? undefined : reply.turn();
  }

  /** Reads requests until the end. Rejects only with an error of ours. */
  async run(): Promise<void> {
    while (!this.#hasEnded) {
      if (!this.#hasRoom()) await this.#untilRoom();
      if (this.#hasEnded) break;
      const count = await this.#read();
      if (count === undefined) break;
      if (count === null) {
        this.#end();
        break;
      }
      try {
        const more = this.#take(this.#buffer.subarray(0, count));
        if (more) await more;
        this.#sinceTurn += count;
        if (this.#sinceTurn >= FAIR_SHARE) await this.#yield();
      } catch (error) {
        if (!(error instanceof BadRequestError)) throw error;
        this.#endWith(error.toAnswer());
      }
    }
  }

  async #yield(): Promise<void> {
    this.#sinceTurn = 0;
    await turn();
  }

  /** It is past its deadline. */
  expire(): void {
    this.due = Infinity;
    if (this.#room !== undefined && this.#isSending) {
      // Whether its client is still there, the write will tell.
      this.due = this.#host.clock.monotonic() + KEEP_ALIVE;
      return;
    }
    if (this.#arriving !== undefined || this.#headDue === undefined) return this.destroy();
    const kind = { code: "request/timeout", status: 408, exit: 2 };
    this.#endWith(new EvsError(kind, "the headers did not come in time"));
  }

  /** The daemon stops: it ends after its last response. */
  drain(): void {
    this.#isDraining = true;
    this.#endIfIdle();
  }

  /** While the daemon stops: the body that is arriving is not waited for any longer. */
  giveUpBody(): void {
    this.#arriving?.request.body.fail(drainingError());
  }

  /** For a body: a route waits for more of it. */
  wanted(): void {
    if (this.#expectsContinue) {
      this.#expectsContinue = false;
      this.#arriving!.reply.sendContinue();
    }
  }

  /** For a body: what has arrived of it was taken. */
  taken(): void {
    this.#room?.();
  }

  /** For a response: it has something to send, or is over. */
  send(): void {
    if (this.#isSending || this.#isClosed) return;
    const first = this.#replies[0];
    if (first?.waiting.length === 1 && !first.isOver) {
      // One piece of a response that goes on, as a follower gets it.
      this.#isSending = true;
      return this.#write(first.waiting.pop()!);
    }
    for (const reply of this.#replies) {
      if (reply.waiting.length > 0) {
        this.#sending.push(...reply.waiting);
        reply.waiting = [];
      }
      if (!reply.isOver) break;
      this.#ending++;
      if (!reply.keepAlive) break;
    }
    if (this.#sending.length > 0) {
      this.#isSending = true;
      this.#write(this.#nextPiece());
    } else if (this.#ending > 0) this.#sent();
  }

  /** Closes it at once. */
  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = this.#hasEnded = true;
    this.due = Infinity;
    this.#conn.close();
    this.#arriving?.request.body.fail(new ConnectionGoneError("the connection has closed"));
    this.#abort?.abort();
    for (const reply of this.#replies.splice(0)) reply.closed();
    this.#room?.();
    this.#host.closed(this);
  }

  /** Reads into the buffer; null at the end, undefined if the connection broke or was closed. */
  async #read(): Promise<number | null | undefined> {
    const size = this.#arriving === undefined
      ? SMALL_READ
      : this.#left === 0
      ? LARGE_READ
      : Math.min(LARGE_READ, this.#left + SMALL_READ);
    if (this.#buffer.length !== size) this.#buffer = new Uint8Array(size);
    else this.#body?.keep();
    this.#setDue();
    try {
      return await this.#conn.read(this.#buffer);
    } catch {
      this.destroy();
      return undefined; // whoever waits for it is told by its closing
    }
  }

  #hasRoom(): boolean {
    if (this.#discarding !== undefined) return this.#discarding >= 0;
    if (this.#replies.length === 0) return true;
    if (this.#replies.length >= MOST_PIPELINED || this.#body?.hasPieces) return false;
    return this.#replies.reduce((sum, { headMemory }) => sum + headMemory, 0) < MAX_HEADER_BYTES;
  }

  async #untilRoom(): Promise<void> {
    this.due = this.#host.clock.monotonic() + KEEP_ALIVE;
    this.#host.dueChanged(this);
    while (!this.#hasRoom() && !this.#hasEnded) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#room = resolve;
      await promise;
    }
    this.#room = undefined;
  }

  /** Takes bytes; returns a promise only if there is no room for all of them yet. */
  #take(bytes: Uint8Array<ArrayBuffer>): Promise<void> | void {
    for (let at = 0; at < bytes.length;) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      if (!this.#hasRoom()) return this.#untilRoom().then(() => this.#take(rest));
      if (this.#hasEnded) return;
      if (this.#isLast) return this.#discard(rest.length);
      at += this.#arriving === undefined ? this.#readHead(rest) : this.#readBody(rest);
    }
  }

  #readHead(bytes: Uint8Array<ArrayBuffer>): number {
    const found = this.#parser.readHead(bytes);
    if (found === undefined) {
      this.#headDue ??= this.#host.clock.monotonic() + HEADERS_TIMEOUT;
      return bytes.length;
    }
    const { head, read } = found;
    this.#headDue = undefined;
    this.#sinceTurn += REQUEST_SHARE;
    const body = this.#body = new RequestBody(this);
    const exchange = {
      connection: this,
      request: new IncomingRequest(head, { body, connection: this }),
      reply: new Reply(this, head),
    };
    exchange.reply.headMemory = head.memory;
    this.#replies.push(exchange.reply);
    const more = this.#beginBody(exchange, head, bytes.subarray(read));
    this.#host.requested(this, exchange);
    return read + more;
  }

  /** Takes what has come of the body along with its head; returns how many of the bytes that was. */
  #beginBody(exchange: Exchange, head: RequestHead, bytes: Uint8Array<ArrayBuffer>): number {
    this.#arriving = exchange;
    this.due = Infinity;
    // What follows a request for a tunnel is not HTTP.
    if (head.method === "CONNECT") exchange.reply.keepAlive = false;
    // A body has no meaning there (RFC 9110, 9.3.1), so no route reads it.
    if (head.method === "GET" || head.method === "HEAD") this.#discarding = UNREAD;
    this.#expectsContinue = !head.isHttp10 && head.header("expect") !== undefined;
    this.#left = head.method === "CONNECT" ? 0 : head.length ?? 0;
    if (this.#left === 0 && head.length !== undefined) this.#bodyComplete();
    else if (bytes.length > 0) return this.#readBody(bytes);
    return 0;
  }

  #readBody(bytes: Uint8Array<ArrayBuffer>): number {
    if (this.#left === 0) {
      const read = this.#parser.readChunks(bytes);
      this.#addToBody(this.#parser.data, read);
      if (this.#parser.isComplete) this.#bodyComplete();
      return read;
    }
    const length = Math.min(this.#left, bytes.length);
    this.#left -= length;
    this.#addToBody(length === bytes.length ? bytes : bytes.subarray(0, length), length);
    if (this.#left === 0) this.#bodyComplete();
    return length;
  }

  /** `size`: how many bytes it was on the wire. */
  #addToBody(piece: Uint8Array<ArrayBuffer>, size: number): void {
    this.#expectsContinue = false;
    if (this.#discarding !== undefined) return this.#discard(size);
    if (piece.length === 0) return;
    const { body } = this.#arriving!.request;
    if (piece.length <= SMALL_READ) return body.lend(piece);
    // It stays with whoever takes it.
    body.add(piece);
    this.#buffer = NOTHING;
  }

  #bodyComplete(): void {
    const { request, reply } = this.#arriving!;
    this.#arriving = undefined;
    this.#discarding = undefined;
    this.#expectsContinue = false;
    this.#parser.next();
    if (!reply.keepAlive) this.#isLast = true;
    request.body.complete();
  }

  /** Discards bytes that nobody reads. Beyond the limit, the connection ends. */
  #discard(length: number): void {
    this.#discarding = (this.#discarding ?? UNREAD) - length;
    if (this.#discarding >= 0) return;
    // It is not read any more, and closed after the responses.
    if (this.#replies.length === 0) this.destroy();
    else this.#replies.at(-1)!.keepAlive = false;
  }

  /** The client sends nothing more; it may still take answers. */
  #end(): void {
    this.#hasEnded = true;
    this.due = Infinity;
    this.#arriving?.request.body.fail(new ConnectionGoneError("the connection has ended"));
    this.#abort?.abort();
    if (this.#parser.isInHead && !this.#isLast) this.#endWith(new BadRequestError().toAnswer());
    if (this.#replies.length === 0) this.destroy();
    // This fails if it has not only ended its side: then nobody takes the answers either.
    else if (!this.#isSending) this.#conn.write(NOTHING).catch(this.#broken);
  }

  #setDue(): void {
    if (this.#arriving !== undefined) {
      // What is discarded after the response must come within a fixed time.
      if (this.#discarding !== undefined) return;
      this.due = this.#host.clock.monotonic() + BODY_IDLE;
    } else if (this.#headDue !== undefined) this.due = this.#headDue;
    else if (this.#replies.length > 0 || this.#isLast) this.due = Infinity;
    else this.due = this.#host.clock.monotonic() + KEEP_ALIVE;
    if (this.due < Infinity) this.#host.dueChanged(this);
  }

  /** Sends this after all responses, and closes. */
  #endWith(last: EvsError): void {
    if (this.#isClosed) return;
    this.#isLast = true;
    this.#headDue = undefined;
    const arriving = this.#arriving;
    this.#arriving = undefined;
    arriving?.request.body.fail(new ConnectionGoneError("the body is not HTTP/1.1"));
    if (arriving !== undefined && !arriving.reply.isOver) return arriving.reply.endWith(last);
    const reply = new Reply(this, { keepAlive: false });
    this.#replies.push(reply);
    reply.endWith(last);
  }

  /** The next bytes to send; small ones are joined. */
  #nextPiece(): Uint8Array {
    const pieces = this.#sending;
    let count = 0;
    let length = 0;
    while (count < pieces.length && length + pieces[count]!.length <= JOINED) {
      length += pieces[count++]!.length;
    }
    if (count < 2) return pieces.shift()!;
    return concat(pieces.splice(0, count));
  }

  #write(bytes: Uint8Array): void {
    this.#piece = bytes;
    this.#conn.write(bytes).then(this.#written, this.#broken);
  }

  readonly #written = (count: number): void => {
    if (this.#isClosed) return;
    if (count < this.#piece.length) this.#write(this.#piece.subarray(count));
    else if (this.#sending.length > 0) this.#write(this.#nextPiece());
    else this.#sent();
  };

  readonly #broken = (): void => this.destroy();

  /** Everything that was passed on has been sent. */
  #sent(): void {
    this.#isSending = false;
    const done = this.#ending === 0 ? NONE : this.#replies.splice(0, this.#ending);
    this.#ending = 0;
    let isLast = false;
    for (const reply of done) {
      reply.onSent?.();
      isLast ||= !reply.keepAlive;
    }
    if (isLast) return this.destroy();
    const first = this.#replies[0];
    if (first !== undefined) {
      if (done.length > 0) first.begins();
      if (first.waiting.length === 0) first.taken();
      this.send();
    } else if (this.#hasEnded) return this.destroy();
    if (done.length > 0) this.#answered(done);
  }

  #answered(done: readonly Reply[]): void {
    const arriving = this.#arriving;
    if (arriving !== undefined && done.includes(arriving.reply)) this.#discardRest(arriving);
    else if (this.#replies.length === 0 && this.#headDue === undefined) this.#setDue();
    this.#endIfIdle();
    this.#room?.();
  }

  /** It was answered before it was complete: the rest must be small and arrive soon. */
  #discardRest({ request: { body } }: Exchange): void {
    // Whether the body comes at all if nobody asks for it, is not known.
    if (this.#expectsContinue) return this.destroy();
    this.#discarding ??= UNREAD;
    while (body.hasPieces) this.#discarding -= body.take()!.length;
    if (this.#discarding < 0) return this.destroy();
    this.due = this.#host.clock.monotonic() + BODY_IDLE;
    this.#host.dueChanged(this);
  }

  #endIfIdle(): void {
    if (!this.#isDraining || this.#replies.length > 0) return;
    this.#host.clock.setTimer(() => {
      if (this.#replies.length === 0) this.#endWith(drainingError());
    }, GRACE);
  }
}
