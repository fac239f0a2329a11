/**
 * What a store does, one thing after the other, and what has failed: after a failure nothing is
 * done any more (contract row 7).
 *
 * What was appended may be synced beside the next append, and beside nothing else: whoever closes,
 * removes or cuts finds everything synced. Such syncs follow each other, so that what is
 * acknowledged has nothing before it that is not synced.
 */
import { ClosedError, EvsError, InternalError } from "../../base/errors.ts";
import { asFileStoreError } from "./faults.ts";

/** Runs the store's operations one after another. */
export class Turns {
  readonly #dir: string;
  #last: Promise<unknown> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();
  #failed: unknown;
  #closed = false;

  /** `dir` is what messages name. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** What failed; undefined while all is well. */
  get failed(): unknown {
    return this.#failed;
  }

  /** Resolves when no sync is under way. Throws what has failed until then. */
  async synced(): Promise<void> {
    await this.#syncing;
    if (this.#failed !== undefined) throw this.fail(this.#failed);
  }

  /**
   * Does it when all before is done. `beside`: the sync of what was appended before may still be
   * under way.
   */
  async take<T>(
    work: () => T | Promise<T>,
    { beside = false }: { beside?: boolean } = {},
  ): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      if (!beside) await this.#syncing;
      if (this.#closed) throw new ClosedError(`the store in ${this.#dir} is closed`);
      if (this.#failed !== undefined) throw this.fail(this.#failed);
      return await work();
    } finally {
      resolve();
    }
  }

  /** Waits until all is done, and lets nothing more be done; false when it was closed before. */
  async close(): Promise<boolean> {
    await this.#last;
    await this.#syncing;
    if (this.#closed) return false;
    return this.#closed = true;
  }

  /**
   * Begins the sync when the one before it has ended. Rejects when anything has failed until it is
   * done.
   */
  syncBehind(sync: () => Promise<unknown>): Promise<void> {
    const before = this.#syncing;
    const synced = (async () => {
      await before;
      if (this.#failed === undefined) await this.sync(sync);
      // Another call may have met the error that this sync was not told of.
      if (this.#failed !== undefined) throw this.fail(this.#failed);
    })();
    // Whoever waits for its end looks at what has failed.
    this.#syncing = synced.catch(() => {});
    return synced;
  }

  /** Waits for a sync: the first one that fails is the last. */
  async sync(sync: () => Promise<unknown>): Promise<void> {
    try {
      await sync();
    } catch (error) {
      throw this.fail(error);
    }
  }

  /** Notes what has failed for good; returns what is told of it. */
  fail(error: unknown): InternalError {
    this.#failed ??= error;
    const why = error instanceof Error ? error.message : String(error);
    return new InternalError(`writing to ${this.#dir} failed: ${why}`, { cause: error });
  }

  /** What is told of an error: one that may pass, or {@link fail}. */
  fault(error: unknown): unknown {
    const known = asFileStoreError(error);
    if (known instanceof EvsError && this.#failed === undefined) return known;
    return this.fail(this.#failed ?? error);
  }
}
