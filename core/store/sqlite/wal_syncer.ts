/**
 * Syncs of a write-ahead log that SQLite does not make itself.
 *
 * `durability = interval:<ms>`: the log is synced that long after the first write that is not yet
 * synced, so that a power cut costs a suffix of at most that length ({@link WalSyncer}). And a
 * large append is synced while the next one is made ({@link WalSyncBehind}).
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Durability } from "../../event/durability.ts";

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

/**
 * Syncs the log beside the thread that writes to it. One after the other, so that what is
 * acknowledged has nothing before it that is not synced; after one that failed there is no other
 * (contract row 7).
 */
export class WalSyncBehind {
  readonly #file: Deno.FsFile;
  #last: Promise<void> = Promise.resolve();
  /** Syncs that are asked for and not done. */
  #under = 0;
  #failure: unknown;

  /** `path` is that of the database, which is open. */
  constructor(path: string) {
    // Kept open: only who had the file open when a write of it failed is sure to be told by its
    // sync.
    this.#file = Deno.openSync(`${path}-wal`, { read: true, write: true });
  }

  /** Resolves when all that is committed now survives a power cut. */
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
    // Whoever comes next looks at the failure.
    this.#last = synced.catch(() => {});
    return synced;
  }

  /** True while one is under way. */
  get busy(): boolean {
    return this.#under > 0;
  }

  /**
   * Resolves when those that were asked for until now are done, and answered. Throws what one
   * failed with.
   */
  async idle(): Promise<void> {
    await this.#last;
    this.check();
  }

  /** Throws what a sync failed with: after it nothing is taken any more. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits for the last sync. Throws what one failed with. */
  async close(): Promise<void> {
    await this.#last;
    this.#file.close();
    this.check();
  }
}
