/**
 * Who waits for something to become true of a queue: that it is idle, that it is past a position.
 */
import type { DeliveryQueue } from "./queue.ts";

interface Watch {
  holds(): boolean;
  resolve(): void;
  reject(error: unknown): void;
  /** What the end of the subscription means to it. */
  endIsFine: boolean;
}

/** Conditions that are waited for; looked at whenever the queue has changed. */
export class Watches {
  readonly #all = new Set<Watch>();

  /**
   * Resolves when `holds` does, and where `endIsFine` at the end too; rejects with the signal's
   * reason.
   */
  wait(
    holds: () => boolean,
    options: { signal?: AbortSignal | undefined; endIsFine: boolean },
  ): Promise<void> {
    const { signal, endIsFine } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#all.delete(watch);
        reject(signal!.reason);
      };
      const leave = () => signal?.removeEventListener("abort", stop);
      const watch: Watch = {
        holds,
        endIsFine,
        resolve: () => (leave(), resolve()),
        reject: (error) => (leave(), reject(error)),
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.#all.add(watch);
    });
  }

  /** Something has changed. */
  look(): void {
    if (this.#all.size === 0) return;
    for (const watch of this.#all) {
      if (!watch.holds()) continue;
      this.#all.delete(watch);
      watch.resolve();
    }
  }

  /** It is over. */
  end(gone: unknown): void {
    for (const watch of this.#all) {
      if (watch.endIsFine) watch.resolve();
      else watch.reject(gone);
    }
    this.#all.clear();
  }
}

/**
 * True when every event of the topic up to `seq` is done or dead: the cursor is past it, and no
 * retry of it waits.
 */
export function isProcessed(queue: DeliveryQueue, topic: string, seq: number): boolean {
  const lane = queue.lanes.get(topic);
  if (!lane || queue.cursorOf(lane) <= seq) return false;
  for (const retry of queue.ready.retries.values()) {
    if (retry.topic === topic && retry.seq > 0 && retry.seq <= seq) return false;
  }
  return true;
}
