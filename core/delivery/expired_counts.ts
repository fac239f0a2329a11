/** How many events of one subscription expired before they were handled: by topic, and by part. */
import { type PartMask, partsIn } from "../event/part.ts";
import type { ExpiredOfParts } from "../state/records.ts";

/** Counts expired events. */
export class ExpiredCounts {
  readonly #byTopic = new Map<string, Map<number, number>>();

  /** How many of a topic. */
  get(topic: string): number {
    let sum = 0;
    for (const count of this.#byTopic.get(topic)?.values() ?? []) sum += count;
    return sum;
  }

  /** How many of a part of a topic. */
  of(topic: string, part: number): number {
    return this.#byTopic.get(topic)?.get(part) ?? 0;
  }

  set(topic: string, part: number, count: number): void {
    const parts = this.#byTopic.get(topic);
    if (parts) parts.set(part, count);
    else this.#byTopic.set(topic, new Map([[part, count]]));
  }

  /** Adds a stored count. */
  load({ topic, count, parts = 1 }: ExpiredOfParts): void {
    const part = partsIn(parts)[0]!;
    this.set(topic, part, this.of(topic, part) + count);
  }

  /** The topics, with how many of each. */
  *[Symbol.iterator](): Generator<[topic: string, count: number]> {
    for (const topic of this.#byTopic.keys()) yield [topic, this.get(topic)];
  }

  /** Each part that was counted. */
  *rows(): Generator<[topic: string, part: number, count: number]> {
    for (const [topic, parts] of this.#byTopic) {
      for (const [part, count] of parts) yield [topic, part, count];
    }
  }

  /** These parts are counted elsewhere. */
  leave(parts: PartMask): void {
    for (const [topic, counts] of this.#byTopic) {
      for (const part of partsIn(parts)) counts.delete(part);
      if (counts.size === 0) this.#byTopic.delete(topic);
    }
  }
}
