/**
 * Who may use a topic. What needs it shares it; what removes it, or needs it to stand still, has it
 * alone. Whoever comes later waits.
 */

/** A lock for each topic. */
export class TopicLocks {
  /** By topic: resolves when the last of those who have it alone, or are to have it, is done. */
  readonly #alone = new Map<string, Promise<void>>();
  readonly #shared = new Map<string, Set<Promise<unknown>>>();

  /** Resolves when a topic may be used; undefined if it may be now. */
  held(topic: string): Promise<void> | undefined {
    return this.#alone.size > 0 ? this.#alone.get(topic) : undefined;
  }

  /** Runs `work` while nobody has the topic alone. */
  async share<T>(topic: string, work: () => Promise<T>): Promise<T> {
    for (let held; (held = this.held(topic));) await held;
    const done = work();
    const all = this.#shared.get(topic) ?? new Set();
    this.#shared.set(topic, all.add(done));
    try {
      return await done;
    } finally {
      all.delete(done);
      if (all.size === 0) this.#shared.delete(topic);
    }
  }

  /** Runs `work` when everybody before it is done with the topic, and lets others wait. */
  exclusive<T>(topic: string, work: () => Promise<T>): Promise<T> {
    const before = this.held(topic);
    const done = (async () => {
      await before;
      await Promise.allSettled(this.#shared.get(topic) ?? []); // their callers get the errors
      return await work();
    })();
    this.hold([topic], done);
    return done;
  }

  /** Lets others wait with these topics until `work`, which is under way, is done. */
  hold(topics: readonly string[], work: Promise<unknown>): void {
    const settled = work.then(() => {}, () => {}); // whoever waits for the work gets the error
    for (const topic of topics) this.#alone.set(topic, settled);
    // Registered first: those who wait go on before anybody else finds nothing to wait for.
    void settled.then(() => {
      for (const topic of topics) {
        if (this.#alone.get(topic) === settled) this.#alone.delete(topic);
      }
    });
  }
}
