/**
 * The listening socket.
 *
 * The runtime accepts in bursts, before any code of ours runs, and stops accepting for good when
 * one of them meets the descriptor limit (contract row 17). So the burst is kept below what is
 * left: the kernel's queue is only as long as there is room. Where the limit was met all the same,
 * the socket is made anew as soon as a descriptor is free: who was connected stays connected, who
 * waited in the old queue is told by the kernel and asks again.
 */
import net from "node:net";
import type { Clock } from "../../core/base/clock.ts";
import { LONGEST_QUEUE } from "./descriptors.ts";
import { identityAt } from "../socket.ts";

const SHORTEST_QUEUE = 4;
/** After so long it is looked again whether a descriptor is free, ms; only while there is none. */
const LOOK_AGAIN = 20;
/** After so long without anybody the queue is empty, ms. */
const LAST_LOOK = 5;

/** What an acceptor is given. */
export interface AcceptorOptions {
  socket: string;
  clock: Clock;
  /** True when a descriptor can be had. */
  hasDescriptor(): boolean;
  /** Makes the new socket file the owner's alone. */
  protect(): void;
  /** Takes the socket file away. */
  remove(): void;
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
  #accepted = 0;
  #file: string | undefined;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Listens with room for so many more connections than are kept; resolves when it does. */
  async listen(room: number): Promise<void> {
    this.#queue = Math.max(SHORTEST_QUEUE, Math.min(LONGEST_QUEUE, room));
    await this.#open();
  }

  /**
   * Looks whether the limit was met. Call it with each new connection: a burst that meets it ends
   * with one.
   */
  check(): void {
    if (this.#cancel || this.#closed || this.#options.hasDescriptor()) return;
    this.#again();
  }

  /** Listens anew where the socket's file is gone. Who is connected stays connected. */
  async anew(): Promise<void> {
    if (this.#closed) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#leave();
    await this.#open();
  }

  /**
   * Stops listening; the socket file is gone. Who has got into the queue by then is still let in,
   * to be told that the daemon is stopping: nobody is left to guess whether his request was carried
   * out.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    if (this.#isOurs()) this.#options.remove();
    for (let accepted = -1; accepted !== this.#accepted;) {
      accepted = this.#accepted;
      await new Promise<void>((resolve) => void this.#options.clock.setTimer(resolve, LAST_LOOK));
    }
    this.#leave();
  }

  /** True while the file at its path is the one that listening made, or none. */
  #isOurs(): boolean {
    const there = identityAt(this.#options.socket);
    return there === undefined || there === this.#file;
  }

  /**
   * Closing takes the file at the path away, whose ever it is by now: then it is only left, until
   * the process ends.
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
