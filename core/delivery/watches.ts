/** Callers that wait for a queue to reach a state: idle, or past a position. */
import type { Clock } from "../base/clock.ts";
import type { DeliveryQueue } from "./queue.ts";

interface Watch {
  holds(): boolean;
  resolve(): void;
  reject(error: unknown): void;
  /** Whether the end of the subscription resolves the wait or rejects it. */
  endIsFine: boolean;
}

/** Conditions that callers wait for; checked whenever the queue has changed. */
export class Watches {
  readonly #all = new Set<Watch>();

  /**
   * Resolves when `holds` returns true, and with `endIsFine` also at the end; rejects with the
   * signal's reason.
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

  /** Checks all conditions: something has changed. */
  look(): void {
    if (this.#all.size === 0) return;
    for (const watch of this.#all) {
      if (!watch.holds()) continue;
      this.#all.delete(watch);
      watch.resolve();
    }
  }

  /** Settles all waits: the subscription has ended. */
  end(gone: unknown): void {
    for (const watch of this.#all) {
      if (watch.endIsFine) watch.resolve();
      else watch.reject(gone);
    }
    this.#all.clear();
  }
}

/**
 * True if every event of the topic up to `seq` is done or dead: the cursor is past it, and no retry
 * of it waits.
 */
export function isProcessed(queue: DeliveryQueue, topic: string, seq: number): boolean {
  const lanes = queue.lanes.of(topic);
  if (lanes.length === 0 || lanes.some((lane) => queue.cursorOf(lane) <= seq)) return false;
  for (const retry of queue.ready.retries.values()) {
    if (retry.topic === topic && retry.seq > 0 && retry.seq <= seq) return false;
  }
  return true;
}

/** How often the state is asked what other nodes are done with, ms. */
const ASK_EVERY_MS = 250;

/**
 * Resolves when the state says so, which other nodes change, too; rejects with the signal's reason,
 * or when the subscription has ended.
 */
export async function processedAnywhere(
  isProcessed: () => Promise<boolean>,
  { clock, signal, ended }: {
    clock: Clock;
    signal: AbortSignal | undefined;
    ended(): unknown;
  },
): Promise<void> {
  while (true) {
    signal?.throwIfAborted();
    const gone = ended();
    if (gone !== undefined) throw gone;
    if (await isProcessed()) return;
    await pauseFor(clock, ASK_EVERY_MS, signal);
  }
}

/** Resolves after that time, or when the signal says so. */
function pauseFor(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.setTimer(end, ms);
    signal?.addEventListener("abort", end, { once: true });
  });
}
