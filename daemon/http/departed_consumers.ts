/**
 * Consumers whose connection has closed. Their leases go back at once, or after as long as they
 * asked for: a command that was killed asks that its handlers have ended before their events are
 * delivered anew.
 */
import type { Clock } from "../../core/base/clock.ts";

/** Keeps the leases of a consumer for a moment after its connection has ended. */
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

  /** The daemon stops: its leases end with it. */
  stop(): void {
    for (const cancel of this.#waiting) cancel();
    this.#waiting.clear();
  }
}
