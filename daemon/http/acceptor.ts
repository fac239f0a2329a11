/**
 * The listening socket.
 *
 * The runtime accepts in bursts, before any code of ours runs, and stops accepting for good when one of them meets the
 * descriptor limit (contract row 17). So the burst is kept below what is left: the kernel's queue is only as long as
 * there is room. Where the limit was met all the same, the socket is made anew as soon as a descriptor is free: who was
 * connected stays connected, who waited in the old queue is told by the kernel and asks again.
 */
import net from "node:net";
import type { Clock } from "../../core/base/clock.ts";
import { LONGEST_QUEUE } from "./descriptors.ts";

const SHORTEST_QUEUE = 4;
/** After so long it is looked again whether a descriptor is free, ms; only while there is none. */
const LOOK_AGAIN = 20;

/** What an acceptor is given. */
export interface AcceptorOptions {
  socket: string;
  clock: Clock;
  /** True when a descriptor can be had. */
  hasDescriptor(): boolean;
  /** Makes the new socket file the owner's alone. */
  protect(): void;
  connection(socket: net.Socket): void;
  /** Accepting met the limit and was begun anew. */
  recovered(): void;
  /** It cannot listen any more: the daemon is of no use. */
  failed(error: Error): void;
}

/** Listens, and goes on listening. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  #server: net.Server | undefined;
  #queue = SHORTEST_QUEUE;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Listens with room for so many more connections than are kept; resolves when it does. */
  async listen(room: number): Promise<void> {
    this.#queue = Math.max(SHORTEST_QUEUE, Math.min(LONGEST_QUEUE, room));
    await this.#open();
  }

  /** Looks whether the limit was met. Call it with each new connection: a burst that meets it ends with one. */
  check(): void {
    if (this.#cancel || this.#closed || this.#options.hasDescriptor()) return;
    this.#again();
  }

  /** Stops listening; the socket file is gone. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#server?.close();
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
  }
}
