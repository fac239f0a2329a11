/**
 * A response made of lines, written only as fast as its client reads.
 *
 * A large page goes to the socket as it is. The runtime would first copy a chunk's frame (RFC 9112,
 * 7.1) and its page into one buffer, which costs as much as sending it. So frames are written here,
 * each in its own turn of the event loop, because everything written in one turn is joined. A small
 * page is joined with its frame, so that it is one write.
 */
import type http from "node:http";
import { turn } from "../../core/base/in_turns.ts";
import { countGarbage } from "../memory/scavenge.ts";

/** A page of at least this size is not copied, bytes. */
const LARGE = 32 * 1024;

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");

/** Sends lines as fast as the client reads. */
export class LinesReply {
  readonly #reply: http.ServerResponse;
  readonly #signal: AbortSignal;
  /**
   * True if the client accepts chunked encoding; for HTTP/1.0 the end of the connection is the end.
   */
  #chunked = false;

  /** `signal`: aborted when the client is gone. */
  constructor(reply: http.ServerResponse, signal: AbortSignal) {
    this.#reply = reply;
    this.#signal = signal;
  }

  /**
   * Starts the response. The headers are sent now, so that a follower knows that it is connected
   * before the first event.
   */
  begin(headers: Record<string, string>): void {
    this.#reply.writeHead(200, { "cache-control": "no-store", ...headers });
    this.#reply.flushHeaders();
    this.#chunked = this.#reply.chunkedEncoding;
    this.#reply.chunkedEncoding = false;
  }

  /**
   * Resolves when there is room for more and other work had a turn, or when the signal was aborted.
   */
  async write(bytes: Uint8Array): Promise<void> {
    countGarbage(bytes.length);
    if (bytes.length === 0) return turn();
    if (!this.#chunked) return await this.#send(bytes);
    const size = encoder.encode(`${bytes.length.toString(16)}\r\n`);
    if (bytes.length < LARGE) return await this.#send(framed(size, bytes));
    await this.#send(size);
    await this.#send(bytes);
    await this.#send(CRLF);
  }

  /** Ends it. */
  end(): void {
    this.#reply.chunkedEncoding = this.#chunked;
    this.#reply.end();
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (this.#signal.aborted) return;
    if (this.#reply.write(bytes)) return turn();
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#reply.off("drain", done);
        this.#signal.removeEventListener("abort", done);
        resolve();
      };
      this.#reply.once("drain", done);
      this.#signal.addEventListener("abort", done, { once: true });
    });
  }
}

function framed(size: Uint8Array, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(size.length + bytes.length + CRLF.length);
  whole.set(size);
  whole.set(bytes, size.length);
  whole.set(CRLF, size.length + bytes.length);
  return whole;
}
