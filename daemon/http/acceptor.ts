/**
 * The listening socket.
 *
 * The runtime accepts in bursts, before any of our code runs, and stops accepting for good when a
 * burst hits the descriptor limit (contract row 17). So bursts are kept below the number of free
 * descriptors by limiting the length of the kernel's queue. If the limit is hit all the same, the
 * socket is recreated as soon as a descriptor is free: existing connections stay open, and those
 * waiting in the old queue get an error from the kernel and reconnect.
 */
import net from "node:net";
import type { Clock } from "../../core/base/clock.ts";
import { LONGEST_QUEUE } from "./descriptors.ts";
import { identityAt } from "../socket.ts";

const SHORTEST_QUEUE = 4;
/** Interval for checking whether a descriptor is free, ms; used only while there is none. */
const LOOK_AGAIN = 20;
/** The queue counts as empty after this many looks without a connection, this many ms apart. */
const LAST_LOOKS = { count: 3, ms: 5 };

/** The options of an acceptor. */
export interface AcceptorOptions {
  socket: string;
  clock: Clock;
  /** True if a descriptor is available. */
  hasDescriptor(): boolean;
  /** Restricts the new socket file to its owner. */
  protect(): void;
  /** Removes the socket file. */
  remove(): void;
  connection(socket: net.Socket): void;
  /** Accepting hit the limit and was restarted. */
  recovered(): void;
  /** It can no longer listen: the daemon is useless. */
  failed(error: Error): void;
}

/** Listens, and keeps listening. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  #server: net.Server | undefined;
  #queue = SHORTEST_QUEUE;
  #cancel: (() => void) | undefined;
  #closed = false;
  #accepted = 0;
  #file: string | undefined;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /**
   * Listens with a queue for this many more connections than are open; resolves once it listens.
   */
  async listen(room: number): Promise<void> {
    this.#queue = Math.max(SHORTEST_QUEUE, Math.min(LONGEST_QUEUE, room));
    await this.#open();
  }

  /**
   * Checks whether the limit was hit. Call it with each new connection: a burst that hits it ends
   * with one.
   */
  check(): void {
    if (this.#cancel || this.#closed || this.#options.hasDescriptor()) return;
    this.#again();
  }

  /** Listens again after the socket file has disappeared. Existing connections stay open. */
  async anew(): Promise<void> {
    if (this.#closed) return;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#emptyQueue();
    // The daemon may have begun to stop meanwhile.
    if (this.#closed) return;
    this.#leave();
    await this.#open();
  }

  /**
   * Stops listening and removes the socket file. Connections that are already queued are still
   * accepted and told that the daemon is stopping, so that no client has to guess whether its
   * request was carried out.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    if (this.#isOurs()) this.#options.remove();
    await this.#emptyQueue();
    this.#leave();
  }

  /**
   * Once the socket file is gone, nobody joins the queue any more. One look is not enough: when a
   * stopped process continues, its timer fires before it sees the connections that have arrived.
   */
  async #emptyQueue(): Promise<void> {
    let accepted = this.#accepted;
    for (let quiet = 0; quiet < LAST_LOOKS.count; quiet++) {
      const { clock } = this.#options;
      await new Promise<void>((resolve) => void clock.setTimer(resolve, LAST_LOOKS.ms));
      if (accepted !== this.#accepted) quiet = -1;
      accepted = this.#accepted;
    }
  }

  /** True while the file at its path is the one that listening created, or there is none. */
  #isOurs(): boolean {
    const there = identityAt(this.#options.socket);
    return there === undefined || there === this.#file;
  }

  /**
   * Closing removes the file at the path, whoever owns it by now. In that case the socket is only
   * abandoned until the process ends.
   */
  #leave(): void {
    if (this.#isOurs()) this.#server?.close();
  }

  #again(): void {
    this.#cancel = this.#options.clock.setTimer(() => {
      if (!this.#options.hasDescriptor()) return this.#again();
      this.#cancel = undefined;
      this.#server?.close();
      this.#open().then(
        () => this.#options.recovered(),
        (error) => this.#options.failed(error),
      );
    }, LOOK_AGAIN);
  }

  async #open(): Promise<void> {
    const { socket: path, connection, protect, failed } = this.#options;
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#accepted++;
      connection(socket);
      this.check();
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path, backlog: this.#queue }, () => {
        server.off("error", reject);
        server.on("error", failed);
        resolve();
      });
    });
    protect();
    this.#file = identityAt(path);
  }
}
