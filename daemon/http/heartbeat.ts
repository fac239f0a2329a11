/**
 * Heartbeats of a response that stays open: something is sent whenever nothing else was for a
 * while, so that a follower can tell a quiet topic from a daemon, or a connection, that stands
 * still. One timer for each response, however many events pass.
 */
import type { Clock } from "../../core/base/clock.ts";

/** How to send heartbeats. */
export interface HeartbeatOptions {
  clock: Clock;
  /** Send one when nothing was sent for this long, ms. */
  everyMs: number;
  /** Sends one; resolves when the client has room for more. */
  send(): Promise<void>;
  /** Something else is being sent while it waits: nothing may come in between. */
  isBusy?(): boolean;
}

/** The heartbeats of one response; close it at the end. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #cancel = () => {};
  /** When something was sent last, monotonic ms. */
  #last: number;
  #waiting = false;
  #sending = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#last = options.clock.monotonic();
    this.#wait(options.everyMs);
  }

  /** Sends heartbeats until `work` settles; what it returns is sent next. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#waiting = true;
    try {
      return await work;
    } finally {
      this.#waiting = false;
      this.sent();
    }
  }

  /** Something was sent. */
  sent(): void {
    this.#last = this.#options.clock.monotonic();
  }

  /** Sends one if it is due: a search may go on for long without a match. */
  async ifDue(): Promise<void> {
    const { clock, everyMs } = this.#options;
    if (this.#sending || clock.monotonic() - this.#last < everyMs) return;
    this.sent();
    this.#sending = true;
    try {
      await this.#options.send();
    } finally {
      this.#sending = false;
    }
  }

  /** Sends no more. */
  close(): void {
    this.#cancel();
  }

  #wait(ms: number): void {
    const { clock, everyMs } = this.#options;
    this.#cancel = clock.setTimer(() => {
      // While something else is being sent, or its reader is slow, nothing may come in between.
      if (this.#waiting && !this.#options.isBusy?.()) void this.ifDue();
      const left = this.#last + everyMs - clock.monotonic();
      this.#wait(left > 0 ? left : everyMs);
    }, ms);
  }
}
