/**
 * The HTTP server's look-out for half-open requests (contract row 18): a timer, which runs only while somebody is connected.
 * An idle daemon does nothing at all, not even once a second (row 20). The server never listens itself (acceptor.ts): told that
 * it does it begins its timer, closed it ends it, as often as one likes.
 */
import type http from "node:http";

/** See the head of this file. */
export class RequestTimeouts {
  readonly #server: http.Server;
  #running = false;

  constructor(server: http.Server) {
    this.#server = server;
  }

  /** Somebody is connected. */
  begin(): void {
    if (this.#running) return;
    this.#running = true;
    this.#server.emit("listening");
  }

  /** Nobody is connected any more. */
  end(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#server.close();
  }
}
