/**
 * A socket that investigates silence. A read or write without progress for a second is no fault in
 * itself, since work can take long. So the daemon is asked on another connection whether it is
 * alive, repeatedly; if it does not answer that either, pending calls fail.
 */
import { type Clock, setBackgroundTimer } from "../base/clock.ts";
import { type Duplex, QUIET_MS } from "./connection.ts";

/** How to watch a socket. */
export interface WatchOptions {
  clock: Clock;
  /** Checks whether the daemon is alive: undefined if it is, else the reason to think it is not. */
  inquire(): Promise<Error | undefined>;
}

/** Wraps a socket and investigates its silence. */
export class WatchedSocket implements Duplex {
  readonly #conn: Duplex;
  readonly #options: WatchOptions;
  #pending = 0;
  /** When something last moved, monotonic ms. */
  #since = 0;
  #cancel: (() => void) | undefined;
  #fault: Error | undefined;
  #patient = false;
  #closed = false;

  constructor(conn: Duplex, options: WatchOptions) {
    this.#conn = conn;
    this.#options = options;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#watch(this.#conn.read(buffer));
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#watch(this.#conn.write(bytes));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancel?.();
    this.#conn.close();
  }

  /**
   * While set, silence is expected, for example when following a topic to which nobody publishes.
   */
  set patient(value: boolean) {
    this.#patient = value;
    if (!value) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #watch<T>(work: Promise<T>): Promise<T> {
    this.#pending++;
    this.#since = this.#options.clock.monotonic();
    if (this.#cancel === undefined && !this.#patient) this.#wait(QUIET_MS);
    return work.then((value) => {
      this.#moved();
      return value;
    }, (error) => {
      this.#moved();
      throw this.#fault ?? error;
    });
  }

  #moved(): void {
    this.#pending--;
    this.#since = this.#options.clock.monotonic();
  }

  /** One timer for all reads and writes, which is not reset by each of them. */
  #wait(ms: number): void {
    // A read or write keeps the process alive while it waits; the timer need not.
    this.#cancel = setBackgroundTimer(this.#options.clock, () => {
      this.#cancel = undefined;
      if (this.#pending === 0 || this.#closed) return;
      const left = Math.ceil(this.#since + QUIET_MS - this.#options.clock.monotonic());
      if (left > 0) this.#wait(left);
      else void this.#inquire();
    }, ms);
  }

  async #inquire(): Promise<void> {
    // Occupy the timer's slot, so that only one check runs at a time.
    this.#cancel = () => {};
    const since = this.#since;
    const fault = await this.#options.inquire();
    this.#cancel = undefined;
    if (this.#closed || this.#patient || this.#pending === 0) return;
    if (fault === undefined || this.#since !== since) return this.#wait(QUIET_MS);
    this.#fault = fault;
    this.close();
  }
}
