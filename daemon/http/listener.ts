/**
 * The listening socket. Connections are accepted one at a time, so that running out of descriptors
 * or memory is an error like any other: those that wait are accepted when there is some again
 * (contract row 17).
 */
import type { Clock } from "../../core/base/clock.ts";
import { identityAt } from "../socket.ts";
import { type Lack, lackOf } from "./descriptors.ts";

/** Interval for checking whether one can be accepted, ms; used only while none can. */
const LOOK_AGAIN = 20;
/** The client closed its connection before it was accepted. */
const GONE = "ECONNABORTED";
/**
 * The queue counts as empty after this many looks without a connection, this many ms apart. After
 * one that took longer than `late` they are counted anew; there are at most so many in all.
 */
const LAST_LOOKS = { count: 3, ms: 5, late: 10, most: 40 };

/** The options of a listener. */
export interface SocketListenerOptions {
  socket: string;
  clock: Clock;
  /** Restricts the new socket file to its owner. */
  protect(): void;
  /** Removes the socket file. */
  remove(): void;
  connection(conn: Deno.Conn): void;
  /** This was lacking to accept a connection with, and now it is there. */
  recovered(lack: Lack): void;
  /** It can no longer listen: the daemon is useless. */
  failed(error: unknown): void;
}

/** Listens, and keeps listening. */
export class SocketListener {
  readonly #options: SocketListenerOptions;
  readonly #listeners: Deno.Listener[] = [];
  #closed = false;
  #isLeft = false;
  #accepted = 0;
  #file: string | undefined;

  constructor(options: SocketListenerOptions) {
    this.#options = options;
  }

  /** Listens. Throws if the path cannot be listened at. */
  listen(): void {
    const { socket: path, protect } = this.#options;
    const listener = Deno.listen({ transport: "unix", path });
    this.#listeners.push(listener);
    protect();
    this.#file = identityAt(path);
    void this.#accept(listener);
  }

  /**
   * Listens again after the socket file has disappeared. Existing connections stay open, and those
   * in the queue of the socket that has lost its file are still accepted: it is only left at the
   * end, because closing it would remove the file at the path, which is the new one's.
   */
  anew(): void {
    if (!this.#closed) this.listen();
  }

  /**
   * Stops listening and removes the socket file. Connections that are already queued are still
   * accepted and told that the daemon is stopping, so that no client has to guess whether its
   * request was carried out.
   */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#isOurs()) this.#options.remove();
    await this.#emptyQueue();
    this.#isLeft = true;
    // Closing removes the file at the path, whoever owns it by now.
    if (this.#isOurs()) { for (const listener of this.#listeners) listener.close(); }
  }

  /** True while the file at its path is the one that listening created, or there is none. */
  #isOurs(): boolean {
    const there = identityAt(this.#options.socket);
    return there === undefined || there === this.#file;
  }

  /**
   * Once the socket file is gone, nobody joins the queue any more. One look is not enough: when a
   * stopped process continues, its timer fires before it sees the connections that have arrived, and
   * so do several where it gets little of the processor.
   */
  async #emptyQueue(): Promise<void> {
    const { clock } = this.#options;
    const { count, ms, late, most } = LAST_LOOKS;
    for (let quiet = 0, looks = 0; quiet < count && looks < most; looks++) {
      const [accepted, began] = [this.#accepted, clock.monotonic()];
      await this.#pause(ms);
      const isLate = clock.monotonic() - began > late;
      quiet = accepted !== this.#accepted || isLate ? 0 : quiet + 1;
    }
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    const { connection, recovered, failed } = this.#options;
    let lack: Lack | undefined;
    while (!this.#isLeft) {
      try {
        const conn = await listener.accept();
        this.#accepted++;
        if (lack !== undefined) recovered(lack);
        lack = undefined;
        connection(conn);
      } catch (error) {
        if (this.#isLeft) return; // it was closed
        const found = lackOf(error);
        if (found === undefined && (error as { code?: unknown }).code !== GONE) {
          return failed(error);
        }
        lack = found ?? lack;
        await this.#pause(LOOK_AGAIN);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.setTimer(resolve, ms));
  }
}
