/**
 * Runs a store's operations one at a time and remembers failures: after a failure nothing more is
 * done (contract row 7).
 *
 * Appended data may be synced while the next append runs, and during no other operation: close,
 * remove and truncate find everything synced. Such syncs run in order, so everything before an
 * acknowledged event is synced too.
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

  /** `dir` is named in error messages. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The first failure; undefined if there was none. */
  get failed(): unknown {
    return this.#failed;
  }

  /** Resolves when no sync is under way. Throws if anything has failed by then. */
  async synced(): Promise<void> {
    await this.#syncing;
    if (this.#failed !== undefined) throw this.fail(this.#failed);
  }

  /**
   * Runs `work` when all earlier operations have ended. With `beside`, the sync of the previous
   * append may still be under way.
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

  /** Waits for all operations and refuses further ones; false if it was already closed. */
  async close(): Promise<boolean> {
    await this.#last;
    await this.#syncing;
    if (this.#closed) return false;
    return this.#closed = true;
  }

  /**
   * Starts the sync when the previous one has ended. Rejects if anything has failed by the time it
   * is done.
   */
  syncBehind(sync: () => Promise<unknown>): Promise<void> {
    const before = this.#syncing;
    const synced = (async () => {
      await before;
      if (this.#failed === undefined) await this.sync(sync);
      // Another call may have hit an error that this sync did not see.
      if (this.#failed !== undefined) throw this.fail(this.#failed);
    })();
    // Callers that wait for it check `#failed` themselves.
    this.#syncing = synced.catch(() => {});
    return synced;
  }

  /** Runs a sync. The first failure is final. */
  async sync(sync: () => Promise<unknown>): Promise<void> {
    try {
      await sync();
    } catch (error) {
      throw this.fail(error);
    }
  }

  /** Records a permanent failure and returns the error to throw. */
  fail(error: unknown): InternalError {
    this.#failed ??= error;
    const why = error instanceof Error ? error.message : String(error);
    return new InternalError(`writing to ${this.#dir} failed: ${why}`, { cause: error });
  }

  /** The error to throw: a temporary one if it may pass, else {@link fail}. */
  fault(error: unknown): unknown {
    const known = asFileStoreError(error);
    if (known instanceof EvsError && this.#failed === undefined) return known;
    return this.fail(this.#failed ?? error);
  }
}
