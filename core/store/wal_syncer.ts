/**
 * `durability = interval:<ms>`: the write-ahead log is synced that long after the first write that is not yet synced,
 * so that a power cut costs a suffix of at most that length.
 */
import { type Clock, systemClock } from "../clock.ts";
import type { Durability } from "./durability.ts";

/** Syncs a database's write-ahead log by a timer that runs only while something waits for it. */
export class WalSyncer {
  readonly #path: string;
  readonly #interval: number;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  #cancel: (() => void) | undefined;
  #failure: unknown;

  /** `onFailure` is told at once, for the next write that would be told may never come. */
  constructor(
    path: string,
    options: { interval: number; clock?: Clock; onFailure: (error: unknown) => void },
  ) {
    this.#path = `${path}-wal`;
    this.#interval = options.interval;
    this.#clock = options.clock ?? systemClock;
    this.#onFailure = options.onFailure;
  }

  /** The syncer that a durability asks for: none unless it is an interval. */
  static for(
    path: string,
    durability: Durability,
    onFailure: (error: unknown) => void,
  ): WalSyncer | undefined {
    if (!durability.startsWith("interval:")) return undefined;
    const interval = Number(durability.slice("interval:".length));
    return new WalSyncer(path, { interval, onFailure });
  }

  /** Tells that something was written. */
  written(): void {
    this.#cancel ??= this.#clock.setTimer(() => {
      this.#cancel = undefined;
      try {
        this.#sync();
      } catch (error) {
        this.#failure = error;
        this.#onFailure(error);
      }
    }, this.#interval);
  }

  /** Throws what a sync by timer failed with: after it nothing is taken any more. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Syncs what waits. Throws what a sync failed with. */
  close(): void {
    this.check();
    this.#cancel?.();
    if (this.#cancel) this.#sync();
    this.#cancel = undefined;
  }

  #sync(): void {
    const file = Deno.openSync(this.#path, { read: true, write: true });
    try {
      file.syncDataSync();
    } finally {
      file.close();
    }
  }
}
