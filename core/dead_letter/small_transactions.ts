/**
 * Handles many dead letters in one transaction or, after the refusal of a full disk, in several
 * small ones. Each small one is complete in itself and stays done if a later one is refused.
 */
import { isDiskFull } from "../base/errors.ts";

/** Entries in the first part, and in the largest. */
const [FIRST, LARGEST] = [64, 4096];

/** Remembers the refusal, because a transaction that is too large uses up the space it finds. */
export class SmallTransactions {
  #noRoom = false;

  /**
   * Runs `work` with all items or, after a refusal, with some at a time, in order. The first refusal
   * is thrown, with nothing done, so that the caller can free space before it tries again.
   */
  async run<T>(items: readonly T[], work: (items: readonly T[]) => Promise<void>): Promise<void> {
    if (!this.#noRoom) {
      try {
        return await work(items);
      } catch (error) {
        this.#noRoom = isDiskFull(error);
        throw error;
      }
    }
    let size = FIRST;
    for (let at = 0; at < items.length;) {
      try {
        await work(items.slice(at, at + size));
        at += size;
        size = Math.min(LARGEST, size * 2);
      } catch (error) {
        if (!isDiskFull(error) || size === 1) throw error;
        size = Math.max(1, size >> 2);
      }
    }
    this.#noRoom = false;
  }
}
