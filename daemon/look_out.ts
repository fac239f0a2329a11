/**
 * The HTTP server's look-out for half-open requests (contract row 18): a timer, which runs only while somebody is connected.
 * An idle daemon does nothing at all, not even once a second (row 20).
 */
import type http from "node:http";
import { clearInterval } from "node:timers";

/** What Node calls its timer; there is no other way to it. Where it is not found it runs on, which costs little. */
const TIMER = "http.server.connectionsCheckingInterval";

/** See the head of this file. */
export class LookOut {
  readonly #server: http.Server;
  #running = false;

  constructor(server: http.Server) {
    this.#server = server;
  }

  /** Somebody is connected. The server begins its timer when it is told that it listens. */
  begin(): void {
    if (this.#running) return;
    this.#running = true;
    this.#server.emit("listening");
  }

  /** Nobody is connected any more. */
  end(): void {
    if (!this.#running) return;
    const name = Object.getOwnPropertySymbols(this.#server)
      .find(({ description }) => description === TIMER);
    if (name === undefined) return;
    clearInterval((this.#server as unknown as Record<symbol, NodeJS.Timeout>)[name]);
    this.#running = false;
  }
}
