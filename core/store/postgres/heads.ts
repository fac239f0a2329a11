/**
 * What this node knows of topics: where they begin and end. It learns from its own appends, from
 * each page that it reads, and from what it is woken with.
 */
import type { TopicHead } from "../../event/topic_head.ts";
import type { Appended } from "../store.ts";

/** The heads of all topics, and who is told of events that others stored. */
export class Heads {
  readonly #heads = new Map<string, TopicHead>();
  /** Up to which seq listeners know of events, by topic. */
  readonly #told = new Map<string, number>();
  readonly #listeners = new Set<(appended: Appended) => void>();

  /** A copy of what is known of a topic. */
  of(topic: string): TopicHead {
    return { ...this.#heads.get(topic) ?? { firstSeq: 1, lastSeq: 0, bytes: 0 } };
  }

  /** The names of topics that have or had events. */
  topics(): string[] {
    return [...this.#heads].filter(([, { lastSeq }]) => lastSeq > 0).map(([name]) => name);
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  /** Notes what the database said. It may have said it earlier than what is known already. */
  note(topic: string, head: TopicHead): void {
    const known = this.#heads.get(topic);
    if (!known) this.#heads.set(topic, { ...head });
    else {
      const isNewer = head.lastSeq >= known.lastSeq && head.firstSeq >= known.firstSeq;
      known.lastSeq = Math.max(known.lastSeq, head.lastSeq);
      known.firstSeq = Math.max(known.firstSeq, head.firstSeq);
      if (isNewer) known.bytes = head.bytes;
    }
  }

  /** This node stored these events, and its journal tells of them. */
  storedHere(topic: string, { firstSeq, lastSeq }: { firstSeq: number; lastSeq: number }): void {
    const told = this.#told.get(topic) ?? 0;
    if (told >= firstSeq - 1) this.#told.set(topic, Math.max(told, lastSeq));
  }

  /** What was there before anybody listened is not told. */
  beginTelling(): void {
    for (const [topic, { lastSeq }] of this.#heads) {
      if (!this.#told.has(topic)) this.#told.set(topic, lastSeq);
    }
  }

  /** Tells listeners of events that they were not told of. */
  tell(topic: string): void {
    const { lastSeq } = this.of(topic);
    const told = this.#told.get(topic) ?? 0;
    if (lastSeq <= told) return;
    this.#told.set(topic, lastSeq);
    for (const listener of this.#listeners) listener({ topic, firstSeq: told + 1, lastSeq });
  }

  /** Tells of all topics. */
  tellAll(): void {
    for (const topic of this.#heads.keys()) this.tell(topic);
  }

  /** Adds a listener; returns a function that removes it. */
  listen(listener: (appended: Appended) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
