/** Who is told of every commit: live tails. One that throws reaches neither the others nor the publisher. */
import type { Commit } from "./store/journal.ts";

/** See the head of this file. */
export class CommitListeners {
  readonly #all = new Set<(commit: Commit) => void>();

  get size(): number {
    return this.#all.size;
  }

  /** Returns "stop". */
  add(listener: (commit: Commit) => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  tell(commit: Commit, onError: (error: unknown) => void): void {
    for (const listener of this.#all) {
      try {
        listener(commit);
      } catch (error) {
        onError(error);
      }
    }
  }
}
