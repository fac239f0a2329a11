/**
 * The HTTP server's look-out for half-open requests (contract row 18): a timer, which runs only
 * while somebody is connected. An idle daemon does nothing at all, not even once a second (row 20).
 * The server never listens itself (acceptor.ts): told that it does it begins its timer, closed it
 * ends it, as often as one likes.
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
    // Asked for at each look. A request that seems late after a standstill may lie in the socket.
    Object.defineProperty(server, "headersTimeout", {
      get: () => this.#isSettled() ? headersTimeout : NEVER,
    });
  }

  #isSettled(): boolean {
    this.#standstill.check();
    return this.#clock.monotonic() >= this.#standstill.settledAt;
  }

  /** Somebody is connected. */
  begin(): void {
    if (this.#running) return;
    this.#running = true;
    this.#release = this.#standstill.hold({});
    this.#server.emit("listening");
  }

  /** Nobody is connected any more. */
  end(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#release?.();
    this.#server.close();
  }
}
