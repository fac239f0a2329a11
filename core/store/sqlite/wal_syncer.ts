/**
 * Syncs of the write-ahead log that SQLite does not do itself.
 *
 * `durability = interval:<ms>`: the log is synced that long after the first write that is not
 * synced yet, so that a power cut costs at most that much of the latest writes ({@link WalSyncer}).
 * A large append is synced while the next one is prepared, and a small one with `fdatasync`: SQLite
 * uses `fsync`, which commits the times of the file, too ({@link WalSyncBehind}).
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Durability } from "../../event/durability.ts";

/** Syncs a database's write-ahead log by a timer that runs only while there is unsynced data. */
export class WalSyncer {
  readonly #path: string;
  readonly #interval: number;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  #cancel: (() => void) | undefined;
  #failure: unknown;

  /**
   * `onFailure` is called at once, because the next write, which would fail too, may never come.
   */
  constructor(
    path: string,
    options: { interval: number; clock?: Clock; onFailure: (error: unknown) => void },
  ) {
    this.#path = `${path}-wal`;
    this.#interval = options.interval;
    this.#clock = options.clock ?? systemClock;
    this.#onFailure = options.onFailure;
  }

  /** The syncer for a durability: undefined unless it is an interval. */
  static for(
    path: string,
    durability: Durability,
    onFailure: (error: unknown) => void,
  ): WalSyncer | undefined {
    if (!durability.startsWith("interval:")) return undefined;
    const interval = Number(durability.slice("interval:".length));
    return new WalSyncer(path, { interval, onFailure });
  }

  /** Notes that something was written. */
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

  /** Throws the error of a failed sync: after it no more writes are accepted. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Syncs pending data. Throws the error of a failed sync. */
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

/**
 * Syncs the log beside the writing thread, or in it. Syncs run in order, so everything before an
 * acknowledged event is synced too; after a failed one there is no other (contract row 7).
 */
export class WalSyncBehind {
  readonly #file: Deno.FsFile;
  #last: Promise<void> = Promise.resolve();
  /** Syncs that were requested and are not done. */
  #under = 0;
  #failure: unknown;

  /** `path` is the path of the database, which must be open. */
  constructor(path: string) {
    // Kept open, because only a descriptor that was open when a write failed is sure to report that
    // error on sync.
    this.#file = Deno.openSync(`${path}-wal`, { read: true, write: true });
  }

  /** Resolves when everything committed so far would survive a power cut. */
  sync(): Promise<void> {
    const before = this.#last;
    this.#under++;
    const synced = (async () => {
      try {
        await before;
        this.check();
        await this.#file.syncData();
      } catch (error) {
        this.#failure ??= error;
        throw error;
      } finally {
        this.#under--;
      }
    })();
    // Later calls check the failure themselves.
    this.#last = synced.catch(() => {});
    return synced;
  }

  /** Like {@link sync}, but blocks. No other sync may be under way. */
  syncNow(): void {
    this.check();
    try {
      this.#file.syncDataSync();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** True while a sync is under way. */
  get busy(): boolean {
    return this.#under > 0;
  }

  /** Resolves when all syncs requested so far are done. Throws the error of a failed one. */
  async idle(): Promise<void> {
    await this.#last;
    this.check();
  }

  /** Throws the error of a failed sync: after it no more writes are accepted. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits for the last sync. Throws the error of a failed one. */
  async close(): Promise<void> {
    await this.#last;
    this.#file.close();
    this.check();
  }
}
