/**
 * Watches a request that waits for leases. The daemon was asked for heartbeats, so silence means
 * that it, or the connection, stands still.
 *
 * A new connection would cost the leases of everything in flight. So silence alone is no reason for
 * one: the daemon is asked on another connection whether it is there. While it does not answer
 * there either, it stands still, and is waited for; the leases are still there when it goes on. If
 * it answers there and stays silent here, this connection is dead.
 */
import type { Clock } from "../base/clock.ts";
import { setPatientTimer } from "../base/standstill.ts";
import { DeadConnectionError } from "./consumer/port.ts";

/** The first inquiry may take this long, ms; each later one twice as long as the one before. */
const FIRST_INQUIRY_MS = 1000;
/** The longest that an inquiry may take, ms. */
const LONGEST_INQUIRY_MS = 60_000;
/** Time between two inquiries, ms. */
const PAUSE_MS = 1000;

/** How to watch a request. */
export interface LeaseWatchOptions {
  clock: Clock;
  /** After this long without a sign of life the daemon is asked, ms. */
  limitMs: number;
  /** Asks on another connection: true if the daemon answered before the signal aborted. */
  inquire(signal: AbortSignal): Promise<boolean>;
  /** Messages for people. */
  say(text: string): void;
}

/** Watches one request; close it when that has ended. */
export class LeaseWatch {
  /** Rejects with a `DeadConnectionError` if the connection is dead. */
  readonly dead: Promise<never>;
  readonly #options: LeaseWatchOptions;
  readonly #giveUp: (error: DeadConnectionError) => void;
  #cancel = () => {};
  /** When something came last, monotonic ms. */
  #heardAt: number;
  /** Aborted when something comes; absent while there is nothing to find out. */
  #inquiry: AbortController | undefined;
  #reported = false;

  constructor(options: LeaseWatchOptions) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // nobody may be waiting for it any more
    this.dead = promise;
    this.#giveUp = reject;
    this.#options = options;
    this.#heardAt = options.clock.monotonic();
    this.#wait(options.limitMs);
  }

  /** Something came. */
  heard(): void {
    const { clock, limitMs, say } = this.#options;
    this.#heardAt = clock.monotonic();
    if (this.#inquiry === undefined) return;
    this.close();
    if (this.#reported) say("the daemon is back; going on");
    this.#reported = false;
    this.#wait(limitMs);
  }

  /** The pieces of the response, each noted as a sign of life. */
  async *pieces(
    body: AsyncGenerator<Uint8Array, void, undefined>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    this.heard();
    for await (const piece of body) {
      this.heard();
      yield piece;
    }
  }

  /** Ends the watch. */
  close(): void {
    this.#cancel();
    this.#inquiry?.abort();
    this.#inquiry = undefined;
  }

  /** How long it has been silent, in words. */
  get #silence(): string {
    return `${Math.round((this.#options.clock.monotonic() - this.#heardAt) / 1000)} s`;
  }

  #wait(ms: number): void {
    const { clock, limitMs } = this.#options;
    this.#cancel = setPatientTimer(clock, () => {
      const left = this.#heardAt + limitMs - clock.monotonic();
      if (left > 0) this.#wait(left);
      else void this.#findOut();
    }, ms);
  }

  async #findOut(): Promise<void> {
    const { clock, limitMs, say } = this.#options;
    const { signal } = this.#inquiry = new AbortController();
    for (let ms = FIRST_INQUIRY_MS;; ms = Math.min(ms * 2, LONGEST_INQUIRY_MS)) {
      const answered = await this.#answersWithin(ms, signal);
      if (signal.aborted) return;
      if (answered) break;
      if (!this.#reported) say(`nothing came from the daemon for ${this.#silence}; waiting for it`);
      this.#reported = true;
      await pause(PAUSE_MS, { clock, signal });
      if (signal.aborted) return;
    }
    // If this connection is alive, a heartbeat comes on it in the meantime.
    await pause(limitMs, { clock, signal });
    if (signal.aborted) return;
    this.#giveUp(
      new DeadConnectionError(
        `nothing came from the daemon for ${this.#silence}, though it answers; connecting again`,
        { hint: "evs daemon status" },
      ),
    );
  }

  async #answersWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    const { clock, inquire } = this.#options;
    const limit = new AbortController();
    const cancel = setPatientTimer(clock, () => limit.abort(), ms);
    try {
      return await inquire(AbortSignal.any([signal, limit.signal]));
    } finally {
      cancel();
    }
  }
}

/** Waits for `ms` of this process's own time, or until the signal aborts. */
function pause(
  ms: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = setPatientTimer(clock, done, ms);
    signal.addEventListener("abort", done);
  });
}
