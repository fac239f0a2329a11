/**
 * `durability = interval:<ms>`: data is synced that long after the first write that is not synced
 * yet.
 */
import type { Clock } from "../../base/clock.ts";
import type { TopicWriter } from "./topic_writer.ts";

/** Remembers which writers need a sync, and calls `sync` when it is due. */
export class LateSync {
  readonly #clock: Clock;
  readonly #sync: (writers: readonly TopicWriter[]) => void;
  readonly #due = new Map<number, { writers: Set<TopicWriter>; cancel: () => void }>();

  constructor(clock: Clock, sync: (writers: readonly TopicWriter[]) => void) {
    this.#clock = clock;
    this.#sync = sync;
  }

  /** These writers have unsynced data, to be synced within `interval` ms. */
  add(writers: readonly TopicWriter[], interval: number): void {
    let due = this.#due.get(interval);
    if (!due) {
      const cancel = this.#clock.setTimer(() => {
        const { writers } = this.#due.get(interval)!;
        this.#due.delete(interval);
        this.#sync([...writers]);
      }, interval);
      this.#due.set(interval, due = { writers: new Set(), cancel });
    }
    for (const writer of writers) due.writers.add(writer);
  }

  /** Cancels all pending syncs. */
  cancel(): void {
    for (const { cancel } of this.#due.values()) cancel();
    this.#due.clear();
  }
}
