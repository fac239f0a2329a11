/** What subscriptions hold back of the topics that keep what is unconsumed, and for how long. */
import type { Clock } from "../base/clock.ts";
import type { HeldBack } from "../event/held_back.ts";
import type { Held } from "../store/consumption.ts";

/** Remembers the outcome of the last pass of retention. */
export class HeldTopics {
  readonly #clock: Clock;
  readonly #topics = new Map<string, Held & { since: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A pass has found this; undefined: nothing is held back. */
  set(topic: string, held: Held | undefined): void {
    const since = this.#topics.get(topic)?.since ?? this.#clock.monotonic();
    if (held) this.#topics.set(topic, { ...held, since });
    else this.#topics.delete(topic);
  }

  /** What the last pass has found. */
  get(topic: string): HeldBack | undefined {
    const found = this.#topics.get(topic);
    if (!found) return undefined;
    const { since, ...held } = found;
    const forMs = Math.round(this.#clock.monotonic() - since);
    return { ...held, count: held.to - held.from + 1, forMs };
  }
}
