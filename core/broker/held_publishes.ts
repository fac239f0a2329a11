/**
 * Publishes that cannot be stored yet, because a subscription is being created or a schema is not
 * compiled. They keep the order of their calls. Once the condition of the first one is met, all
 * that can go are released in the same step, so that they share one append: released one by one,
 * each would pay for its own sync.
 */

import type { SchemaGate } from "./schema_gate.ts";
import type { Startup } from "./startup.ts";

/** What a publish may have to wait for. */
export interface PublishConditions {
  gate: SchemaGate;
  startup: Startup;
}

/** The types that are published to a topic. */
export interface PublishedTypes {
  topic: string;
  types: readonly string[];
}

/** One call of `publish`, `publishBatch` or `publishAll`. */
interface Waiting {
  topics: readonly PublishedTypes[];
  run(): void;
  fail(error: unknown): void;
}

/** Holds publishes back until their conditions are met. */
export class HeldPublishes {
  readonly #conditions: PublishConditions;
  #waiting: Waiting[] = [];
  #isReleasing = false;

  constructor(conditions: PublishConditions) {
    this.#conditions = conditions;
  }

  /** True while any publish waits; later ones must queue behind it. */
  get isHolding(): boolean {
    return this.#waiting.length > 0;
  }

  /** True if a publish of these types may go at once. */
  isOpen(topic: string, types: readonly string[]): boolean {
    return !this.isHolding && !this.#conditions.startup.pending &&
      !this.#awaitsSchema({ topic, types });
  }

  /** Calls `publish` in its turn and settles with its result; rejects if its conditions fail. */
  add<T>(topics: readonly PublishedTypes[], publish: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ topics, run: () => resolve(publish()), fail: reject });
      if (!this.#isReleasing) void this.#release();
    });
  }

  #awaitsSchema({ topic, types }: PublishedTypes): boolean {
    const { gate } = this.#conditions;
    return types.some((type) => gate.checks(topic, type)) && !gate.isReady(topic);
  }

  /**
   * Never rejects: an error goes to the publish that waits for the condition, and the next one
   * continues.
   */
  async #release(): Promise<void> {
    const { gate, startup } = this.#conditions;
    /**
     * Topics whose registry was awaited here: an application's own registry cannot be asked whether
     * it is ready.
     */
    const awaited = new Set<string>();
    this.#isReleasing = true;
    while (this.isHolding) {
      const first = this.#waiting[0]!;
      try {
        const wait = startup.pending;
        if (wait) await wait;
        else {
          const next = first.topics.find((of) => !awaited.has(of.topic) && this.#awaitsSchema(of));
          if (next) {
            await gate.ready(next.topic);
            awaited.add(next.topic);
          } else this.#releaseAll(awaited);
        }
      } catch (error) {
        this.#waiting.shift()!.fail(error);
      }
    }
    this.#isReleasing = false;
  }

  /** Runs, in one step, the publishes at the front that need not wait any longer. */
  #releaseAll(awaited: ReadonlySet<string>): void {
    const isReady = ({ topics }: Waiting) =>
      topics.every((of) => awaited.has(of.topic) || !this.#awaitsSchema(of));
    const stop = this.#waiting.findIndex((waiting) => !isReady(waiting));
    const released = this.#waiting.splice(0, stop < 0 ? this.#waiting.length : stop);
    for (const { run } of released) run();
  }
}
