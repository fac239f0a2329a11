/**
 * Decides when retention runs: soon after a limited topic has grown, or one that depends on its
 * subscriptions was consumed, and for age limits every tenth of the shortest one. If nothing
 * happens and no topic has an age limit, no timer runs: idle costs nothing.
 */
import type { Clock } from "../core/base/clock.ts";
import { isLimited } from "../core/store/retention_rule.ts";
import { dependsOnConsumers } from "../core/store/consumption.ts";
import type { TopicRecord } from "../core/state/state.ts";

/** Growth is collected for this long before a pass, ms. */
const AFTER_GROWTH = 500;
/** The same for what was consumed, ms. */
const AFTER_PROGRESS = 1000;
/** The shortest and the longest interval between passes for age, ms. */
const [SHORTEST, LONGEST] = [1000, 60_000];

/** What the timer needs of a broker. */
export interface RetentionSource {
  topics: { list(): TopicRecord[]; get(name: string): TopicRecord | undefined };
  onCommit(listener: (commit: { topic: string }) => void): () => void;
  /** Calls `listener` when something was consumed of a topic that depends on it. */
  onProgress(listener: (topic: string) => void): () => void;
  retain(): Promise<unknown>;
}

/** Runs a broker's retention when there is a reason to. */
export class RetentionTimer {
  readonly #source: RetentionSource;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #stopListening: (() => void)[];
  #cancel: (() => void) | undefined;
  #dueAt = Infinity;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(
    source: RetentionSource,
    options: { clock: Clock; onError: (error: unknown) => void },
  ) {
    this.#source = source;
    this.#clock = options.clock;
    this.#onError = options.onError;
    this.#stopListening = [
      source.onCommit(({ topic }) => {
        const record = source.topics.get(topic);
        if (record && isLimited(record.options)) this.#runIn(AFTER_GROWTH);
      }),
      source.onProgress(() => this.#runIn(AFTER_PROGRESS)),
    ];
    // What was consumed before the last end may still be there.
    if (source.topics.list().some(({ options }) => dependsOnConsumers(options))) this.changed();
    this.#runForAge();
  }

  /** Topics or their limits have changed. */
  changed(): void {
    this.#runIn(AFTER_GROWTH);
  }

  /** Stops it; resolves when no pass is running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stopListening) stop();
    this.#cancel?.();
    await this.#running;
  }

  #runForAge(): void {
    const periods = this.#source.topics.list()
      .flatMap(({ options }) => [options.retentionPeriod, options.deadRetention])
      .filter((ms) => ms > 0);
    if (periods.length === 0) return;
    const shortest = periods.reduce((a, b) => Math.min(a, b));
    this.#runIn(Math.min(LONGEST, Math.max(SHORTEST, shortest / 10)));
  }

  #runIn(ms: number): void {
    const dueAt = this.#clock.monotonic() + ms;
    if (this.#stopped || dueAt >= this.#dueAt) return;
    this.#cancel?.();
    this.#dueAt = dueAt;
    this.#cancel = this.#clock.setTimer(() => {
      this.#dueAt = Infinity;
      this.#running = this.#pass();
    }, ms);
  }

  async #pass(): Promise<void> {
    try {
      await this.#source.retain();
    } catch (error) {
      this.#onError(error);
    }
    this.#runForAge();
  }
}
