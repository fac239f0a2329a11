/** Logs when subscriptions begin to hold back a topic's retention, when for long, and when it ends. */
import { HELD_LONG_MS, type HeldBack, heldBackText } from "../core/event/held_back.ts";

/** Where it is logged. */
export interface HeldBackLogger {
  info(message: string, facts: Record<string, unknown>): void;
  warning(message: string, facts: Record<string, unknown>): void;
}

/** Compares what is held back after each pass with what was before. */
export class HeldBackLog {
  readonly #logger: HeldBackLogger;
  /** By topic: whether it was warned of. */
  readonly #known = new Map<string, boolean>();

  constructor(logger: HeldBackLogger) {
    this.#logger = logger;
  }

  /** What is held back now. */
  note(held: readonly (HeldBack & { topic: string })[]): void {
    for (const one of held) {
      const { topic, count, by, forMs } = one;
      const facts = { topic, what: heldBackText(one), count, by };
      const warned = this.#known.get(topic);
      const isLong = forMs >= HELD_LONG_MS;
      if (isLong && !warned) {
        this.#logger.warning("retention of {topic} is held back: {what}", facts);
      } else if (warned === undefined) {
        this.#logger.info("retention of {topic} waits: {what}", facts);
      }
      this.#known.set(topic, isLong);
    }
    const now = new Set(held.map(({ topic }) => topic));
    for (const topic of [...this.#known.keys()]) {
      if (now.has(topic)) continue;
      this.#known.delete(topic);
      this.#logger.info("retention of {topic} waits no more", { topic });
    }
  }
}
