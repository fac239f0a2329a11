/**
 * Connections, and what each may request at once.
 *
 * Their number is limited; one more gets an error and is closed at once, even if its client never
 * reads. On one connection responses are sent in the order of the requests, so a request that is
 * not a publish starts only when the response before it has been sent: a client that pipelines
 * reads without consuming the responses costs one page, not one page each. The runtime cannot stop
 * reading a connection, so one with too many outstanding requests is closed (contract row 15).
 */
import type http from "node:http";
import type net from "node:net";
import type { Clock } from "../../core/base/clock.ts";
import { CannotStoreError } from "../../core/base/errors.ts";
import { drainingError } from "./draining_error.ts";
import { rawResponse } from "./raw_response.ts";

/**
 * Requests of one connection that may wait for their responses. The `evs` command sends 8 at once.
 */
export const MOST_PIPELINED = 64;
/**
 * Refused connections that may be open at once, while their error is being sent. Any more are
 * closed without one.
 */
const MOST_REFUSALS = 64;
/**
 * While the daemon stops, a connection is kept open for this long after its last response, ms: a
 * request already on its way gets a reply of its own. One that comes even later finds a last reply,
 * {@link lastReply} (contract row 19).
 */
const GRACE = 100;

/** Callbacks for connection events. */
export interface ConnectionEvents {
  closed(connection: ServerConnection): void;
  /** One connection too many; it was refused. */
  refused(): void;
}

/** One accepted connection. */
export class ServerConnection {
  readonly name: string;
  readonly #socket: net.Socket;
  readonly #closed = new AbortController();
  readonly #idle: () => void;
  /** How long to keep the leases bound to it after it has closed, ms. */
  lingerMs = 0;
  /** Requests whose response has not been sent yet. */
  underWay = 0;
  #waiting: (() => void)[] = [];

  constructor(name: string, socket: net.Socket, idle: () => void) {
    this.name = name;
    this.#socket = socket;
    this.#idle = idle;
  }

  /** Aborted when it closes. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * Registers a request; resolves when the responses before it have been sent. False: too many are
   * outstanding.
   */
  begin(reply: http.ServerResponse): Promise<void> | false {
    if (this.underWay >= MOST_PIPELINED) return false;
    const first = this.underWay++ === 0;
    reply.once("close", () => {
      this.underWay--;
      this.#waiting.shift()?.();
      if (this.underWay === 0) this.#idle();
    });
    return first ? DONE : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the responses to all requests so far have been sent. */
  answered(): Promise<void> {
    if (this.underWay === 0) return DONE;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends it after everything written so far and `last` have been sent. */
  end(last: string): void {
    this.#socket.end(last, () => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** It has closed: nobody waits for responses any more. */
  closed(): void {
    this.#closed.abort();
    for (const go of this.#waiting.splice(0)) go();
  }
}

const DONE = Promise.resolve();

/**
 * What a stopping daemon writes before it closes a connection. It answers a request that crosses
 * with the end of the connection: none is executed any more, and its client can know that. A client
 * that asks for nothing more never reads it.
 */
function lastReply(): string {
  return rawResponse("507 Insufficient Storage", drainingError());
}

/** All connections. */
export class Connections {
  /** The maximum number of connections. None are accepted until it is set. */
  limit = 0;
  readonly #events: ConnectionEvents;
  readonly #clock: Clock;
  readonly #open = new Map<net.Socket, ServerConnection>();
  #made = 0;
  #refusals = 0;
  #drained: (() => void) | undefined;

  constructor(events: ConnectionEvents, options: { clock: Clock }) {
    this.#events = events;
    this.#clock = options.clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The connection of a socket; undefined if it was not accepted. */
  of(socket: net.Socket): ServerConnection | undefined {
    return this.#open.get(socket);
  }

  /** Accepts a new socket, or refuses it with an error. */
  admit(socket: net.Socket): boolean {
    if (this.#open.size >= this.limit) {
      this.#refuse(socket);
      return false;
    }
    const connection: ServerConnection = new ServerConnection(
      `connection-${++this.#made}`,
      socket,
      () => this.#endIdle(connection),
    );
    this.#open.set(socket, connection);
    socket.on("close", () => {
      this.#open.delete(socket);
      connection.closed();
      this.#events.closed(connection);
      if (this.#open.size === 0) this.#drained?.();
    });
    return true;
  }

  /**
   * Ends each connection after its last response; at the deadline all of them. Resolves when none
   * is left.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    if (this.#open.size === 0) return;
    for (const connection of this.#open.values()) this.#endIdle(connection);
    const cut = () => this.#open.forEach((connection) => connection.destroy());
    deadline.addEventListener("abort", cut, { once: true });
    await promise;
  }

  #endIdle(connection: ServerConnection): void {
    if (!this.#drained || connection.underWay > 0) return;
    this.#clock.setTimer(() => {
      if (connection.underWay === 0) connection.end(lastReply());
    }, GRACE);
  }

  #refuse(socket: net.Socket): void {
    this.#events.refused();
    socket.on("error", () => {}); // it is being closed; a failure changes nothing
    if (this.#refusals >= MOST_REFUSALS) {
      socket.destroy();
      return;
    }
    this.#refusals++;
    socket.once("close", () => this.#refusals--);
    const error = new CannotStoreError(
      `the daemon has ${this.limit} connections, and takes no more`,
      {
        code: "daemon/busy",
        hint:
          "close some, or raise max_connections in the config and the limit of open files (ulimit -n)",
      },
    );
    // Destroyed as soon as the error is sent: the client may keep its end open forever.
    socket.end(rawResponse("503 Service Unavailable", error), () => socket.destroy());
  }
}
