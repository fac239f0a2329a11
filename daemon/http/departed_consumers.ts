/**
 * Consumers whose connection has closed. Their leases are returned at once, or after a delay that
 * they asked for: `evs consume` asks for one, so that after a kill its handlers have ended before
 * their events are redelivered.
 */
import type { Clock } from "../../core/base/clock.ts";

/** Keeps the leases of a consumer for a moment after its connection has closed. */
export class DepartedConsumers {
  readonly #clock: Clock;
  readonly #release: (consumer: string) => void;
  readonly #waiting = new Set<() => void>();

  constructor({ clock, release }: { clock: Clock; release: (consumer: string) => void }) {
    this.#clock = clock;
    this.#release = release;
  }

  /** The connection of a consumer has closed; its leases are kept for `lingerMs`. */
  left({ name, lingerMs }: { name: string; lingerMs: number }): void {
    if (lingerMs === 0) return this.#release(name);
    const cancel = this.#clock.setTimer(() => {
      this.#waiting.delete(cancel);
      this.#release(name);
    }, lingerMs);
    this.#waiting.add(cancel);
  }

  /** The daemon is stopping, and its leases end with it. */
  stop(): void {
    for (const cancel of this.#waiting) cancel();
    this.#waiting.clear();
  }
}
