/**
 * Connections, and what each may ask at once.
 *
 * There are at most so many; one more is told so in words and closed at once, also when the other
 * side never reads. On one connection answers go out in the order of the requests, so a request
 * that is not a publish begins when the answer before it is out: one that pipelines reads without
 * taking the answers costs one page, not one page each. The runtime cannot stop reading a
 * connection: one that has too many requests under way is ended (contract row 15).
 */
import type http from "node:http";
import type net from "node:net";
import type { Clock } from "../../core/base/clock.ts";
import { CannotStoreError } from "../../core/base/errors.ts";
import { rawResponse } from "./raw_response.ts";

/**
 * Requests of one connection that may wait for their answers. The `evs` command sends 8 at once.
 */
export const MOST_PIPELINED = 64;
/**
 * Refused connections that may be open at once, while they are being told. Any more are closed
 * without a word.
 */
const MOST_REFUSALS = 64;
/**
 * While the daemon stops, a connection is kept for so long behind its last answer, ms: a request
 * that was on its way is told that it was not stored, instead of nothing (contract row 19).
 */
const GRACE = 100;

/** What the connections tell the daemon. */
export interface ConnectionEvents {
  closed(connection: ServerConnection): void;
  /** One too many; it was refused. */
  refused(): void;
}

/** One connection that was let in. */
export class ServerConnection {
  readonly name: string;
  readonly #socket: net.Socket;
  readonly #closed = new AbortController();
  readonly #idle: () => void;
  /** How long the leases that are bound to it are kept once it has closed, ms. */
  lingerMs = 0;
  /** Requests whose answer is not out yet. */
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
   * Notes a request; resolves when the answers before it are out. False: it has too many under way.
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

  /** Resolves when the answers to all that was asked so far are out. */
  answered(): Promise<void> {
    if (this.underWay === 0) return DONE;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends it; what was written before goes out first. */
  end(): void {
    this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** It has closed: nobody waits for answers any more. */
  closed(): void {
    this.#closed.abort();
    for (const go of this.#waiting.splice(0)) go();
  }
}

const DONE = Promise.resolve();

/** All of them. */
export class Connections {
  /** The most that there may be. None until it is set. */
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

  /** The connection of a socket; undefined for one that was not let in. */
  of(socket: net.Socket): ServerConnection | undefined {
    return this.#open.get(socket);
  }

  /** Lets a new socket in, or refuses it in words. */
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
   * Ends each connection when its last answer is out; at the deadline all of them. Resolves when
   * none is left.
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
      if (connection.underWay === 0) connection.end();
    }, GRACE);
  }

  #refuse(socket: net.Socket): void {
    this.#events.refused();
    socket.on("error", () => {}); // it is being closed: how that goes changes nothing
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
    // The descriptor is given back at once: who was refused may keep his end open for ever.
    socket.end(rawResponse("503 Service Unavailable", error), () => socket.destroy());
  }
}
