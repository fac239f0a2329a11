/**
 * All connections. Their number is limited; one more gets an error and is closed at once, even if
 * its client never reads. One timer watches the deadlines of all of them: it is set for the next
 * one, so that connections without a deadline cost nothing (contract rows 18 and 20).
 */
import type { Clock } from "../../core/base/clock.ts";
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { setPatientTimer } from "../../core/base/standstill.ts";
import { whenAborted } from "../../core/base/when_aborted.ts";
import { type ConnectionHost, type Exchange, ServerConnection } from "./connection.ts";
import { Reply } from "./reply.ts";

/**
 * Refused connections that may be open at once, while their error is being sent. Any more are
 * closed without one.
 */
const MOST_REFUSALS = 64;
/**
 * While the daemon stops, a body that has started may take this long to end, ms (contract row 19).
 */
const REST_OF_BODY = 1000;

/** Callbacks for connections. */
export interface ConnectionEvents {
  requested(connection: ServerConnection, exchange: Exchange): void;
  closed(connection: ServerConnection): void;
  /** One connection too many; it was refused. */
  refused(): void;
  /** An error that nobody foresaw; its connection is closed. */
  failed(error: unknown): void;
}

/** All connections. */
export class Connections implements ConnectionHost {
  /** The maximum number of connections. None are accepted until it is set. */
  limit = 0;
  readonly clock: Clock;
  readonly requested: ConnectionEvents["requested"];
  readonly #events: ConnectionEvents;
  readonly #open = new Set<ServerConnection>();
  #made = 0;
  #refusals = 0;
  #drained: (() => void) | undefined;
  /** When the timer looks for connections that are past their deadline, monotonic ms. */
  #lookAt = Infinity;
  #cancel = () => {};

  constructor(events: ConnectionEvents, { clock }: { clock: Clock }) {
    this.#events = events;
    this.requested = events.requested;
    this.clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Serves a new connection, or refuses it with an error. */
  admit(conn: Deno.Conn): void {
    if (this.#open.size >= this.limit) return void this.#refuse(conn);
    const name = `connection-${++this.#made}`;
    const connection = new ServerConnection(conn, { name, host: this });
    this.#open.add(connection);
    if (this.#drained !== undefined) connection.drain();
    connection.run().catch((error) => {
      this.#events.failed(error);
      connection.destroy();
    });
  }

  /** For a connection: it has another deadline. */
  dueChanged({ due }: ServerConnection): void {
    if (due < this.#lookAt) this.#look(due);
  }

  /** For a connection: it has closed. */
  closed(connection: ServerConnection): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) {
      this.#cancel();
      this.#lookAt = Infinity;
      this.#drained?.();
    }
    this.#events.closed(connection);
  }

  /**
   * Ends each connection after its last response; at the deadline all of them. Resolves when none
   * is left.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    if (this.#open.size === 0) return;
    for (const connection of this.#open) connection.drain();
    const cancel = this.clock.setTimer(() => {
      for (const connection of this.#open) connection.giveUpBody();
    }, REST_OF_BODY);
    const cut = () => this.#open.forEach((connection) => connection.destroy());
    // It may have passed already, while the last connections were accepted.
    whenAborted(deadline, cut);
    await promise;
    cancel();
  }

  /**
   * Looks at that time. After a standstill it looks later: what seems late may already be in the
   * socket.
   */
  #look(at: number): void {
    this.#cancel();
    this.#lookAt = at;
    this.#cancel = setPatientTimer(this.clock, () => {
      this.#lookAt = Infinity;
      const now = this.clock.monotonic();
      let next = Infinity;
      for (const connection of this.#open) {
        if (connection.due <= now) connection.expire();
        next = Math.min(next, connection.due);
      }
      if (next < this.#lookAt) this.#look(next);
    }, at - this.clock.monotonic());
  }

  async #refuse(conn: Deno.Conn): Promise<void> {
    this.#events.refused();
    if (this.#refusals >= MOST_REFUSALS) return conn.close();
    this.#refusals++;
    const reply = new Reply({ send() {}, destroy() {} }, { keepAlive: false });
    reply.endWith(
      new EvsError(
        { code: "daemon/busy", status: 503, exit: ExitCode.CannotStore },
        `the daemon has ${this.limit} connections, and takes no more`,
        {
          hint:
            "close some, or raise max_connections in the config and the limit of open files (ulimit -n)",
        },
      ),
    );
    try {
      // It fits into an empty socket; the client may keep its end open forever.
      for (const bytes of reply.waiting) await conn.write(bytes);
    } catch {
      // It is being closed; a failure changes nothing.
    }
    this.#refusals--;
    conn.close();
  }
}
