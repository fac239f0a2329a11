/**
 * Notices that a followed response has gone silent. The daemon was asked for heartbeats, so silence
 * means that it, or the connection, stands still. Only the time counts during which this process
 * was waiting and running: not while its own reader is slow, nor while it was suspended.
 */
import type { Clock } from "../base/clock.ts";
import { ConnectionLostError } from "../base/errors.ts";
import { setPatientTimer } from "../base/standstill.ts";
import { formatDuration } from "../base/units.ts";

/** How long to wait for a sign of life. */
export interface SilenceOptions {
  clock: Clock;
  /** Ms. */
  limitMs: number;
  /** The caller's own signal. */
  signal?: AbortSignal | undefined;
}

/** Watches one response; close it at the end. */
export class SilenceWatch {
  /** Aborts if the caller's does, and with a `ConnectionLostError` when the limit is reached. */
  readonly signal: AbortSignal;
  readonly #options: SilenceOptions;
  readonly #silent = new AbortController();
  /** Since when a piece is waited for, monotonic ms; undefined while none is. */
  #since: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: SilenceOptions) {
    this.#options = options;
    const { signal } = options;
    this.signal = signal ? AbortSignal.any([signal, this.#silent.signal]) : this.#silent.signal;
  }

  /** True if the response was given up because it was silent. */
  get isSilent(): boolean {
    return this.#silent.signal.aborted;
  }

  /** The next piece of the body; a connection that was opened with {@link signal} breaks on silence. */
  next(
    body: AsyncGenerator<Uint8Array, void, undefined>,
  ): Promise<IteratorResult<Uint8Array, void>> {
    const { clock, limitMs } = this.#options;
    if (this.#cancel === undefined) this.#wait(limitMs);
    this.#since = clock.monotonic();
    return body.next().then(this.#came);
  }

  /** No more is waited for. */
  close(): void {
    this.#cancel?.();
  }

  readonly #came = (piece: IteratorResult<Uint8Array, void>) => {
    this.#since = undefined;
    return piece;
  };

  #wait(ms: number): void {
    const { clock, limitMs } = this.#options;
    this.#cancel = setPatientTimer(clock, () => {
      const left = this.#since === undefined ? limitMs : this.#since + limitMs - clock.monotonic();
      if (left > 0) return this.#wait(left);
      this.#silent.abort(
        new ConnectionLostError(`nothing came from the daemon for ${formatDuration(limitMs)}`, {
          hint: "evs daemon status",
        }),
      );
    }, ms);
  }
}
