/**
 * The HTTP server's timer for half-open requests (contract row 18). It runs only while there are
 * connections: an idle daemon does nothing at all, not even once a second (row 20). The server
 * itself never listens (acceptor.ts): emitting `listening` starts its timer, closing it stops it,
 * any number of times.
 */
import type http from "node:http";
import type { Clock } from "../../core/base/clock.ts";
import { standstillOf, type StandstillWatch } from "../../core/base/standstill.ts";

const NEVER = Number.MAX_SAFE_INTEGER;

/** Ends half-open requests. */
export class RequestTimeouts {
  readonly #server: http.Server;
  readonly #clock: Clock;
  readonly #standstill: StandstillWatch;
  #running = false;
  #release: (() => void) | undefined;

  constructor(server: http.Server, { clock }: { clock: Clock }) {
    this.#server = server;
    this.#clock = clock;
    this.#standstill = standstillOf(clock);
    const { headersTimeout } = server;
    // Read at each check. After a standstill, a request that seems late may already be in the
    // socket.
    Object.defineProperty(server, "headersTimeout", {
      get: () => this.#isSettled() ? headersTimeout : NEVER,
    });
  }

  #isSettled(): boolean {
    this.#standstill.check();
    return this.#clock.monotonic() >= this.#standstill.settledAt;
  }

  /** There is a connection. */
  begin(): void {
    if (this.#running) return;
    this.#running = true;
    this.#release = this.#standstill.hold({});
    this.#server.emit("listening");
  }

  /** No connection is left. */
  end(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#release?.();
    this.#server.close();
  }
}
