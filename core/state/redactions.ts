/** The redacted events of a broker, and what is left of their failures. */
import type { StoredEvent } from "../event/event.ts";
import { storedRedactionOf } from "../event/redaction.ts";
import type { Attempt, RedactionRecord } from "./state.ts";

/** The reason of a redacted dead letter, and the error of each of its attempts. */
export const REDACTED = "redacted";

/** More dead letters of one id than there can be: each subscription has one at most. */
export const ALL_OF_ID = 1_000_000;

/** The attempts without what the handler said: it may have printed the event. */
export function withoutTexts(attempts: readonly Attempt[]): Attempt[] {
  return attempts.map(({ stderr: _stderr, stack: _stack, signal: _signal, ...attempt }) => ({
    ...attempt,
    error: REDACTED,
  }));
}

/** Identifies an event, as far as that goes: after a restored backup, it may be another one. */
export interface EventIdentity {
  topic: string;
  seq: number;
  id: string;
}

/** The redacted events, finished or not. */
export class RedactedEvents {
  readonly #areAll: boolean;
  readonly #topics = new Map<string, Map<number, RedactionRecord[]>>();
  /** By topic and id: of those that are scheduled, the last seq of the topic before they were. */
  readonly #scheduled = new Map<string, Map<string, number>>();

  /** `areAll`: false if an earlier process may have redacted others, as with a state in memory. */
  constructor(records: readonly RedactionRecord[] = [], { areAll = true } = {}) {
    this.#areAll = areAll;
    for (const record of records) this.put(record);
  }

  /** Adds a record, or replaces that of the same event. */
  put(record: RedactionRecord): void {
    const ofTopic = this.#topics.get(record.topic) ?? new Map<number, RedactionRecord[]>();
    this.#topics.set(record.topic, ofTopic);
    const others = (ofTopic.get(record.seq) ?? []).filter(({ id }) => id !== record.id);
    ofTopic.set(record.seq, [...others, record]);
  }

  /** True if an event of the topic was redacted. */
  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  /** The record under what identifies an event; undefined if there is none. */
  get({ topic, seq, id }: EventIdentity): RedactionRecord | undefined {
    return this.#topics.get(topic)?.get(seq)?.find((record) => record.id === id);
  }

  /**
   * The record of a redacted event; undefined if it was not redacted. A redaction that is finished
   * has left its marker: an event without it is another one, which was published under the same id
   * after an older backup was restored. One that was scheduled when it was redacted, and that some
   * node of several has published, has the marker and only the record of before.
   */
  of(event: StoredEvent): RedactionRecord | undefined {
    const record = this.get(event);
    if (record && !record.done) return record;
    if (storedRedactionOf(event) === undefined) return undefined;
    return record ?? this.get({ ...event, seq: 0 });
  }

  /**
   * The events without the redacted ones. Looks at single events only where the topic has some.
   */
  without<E extends { readonly seq: number }>(
    topic: string,
    events: readonly E[],
    storedOf: (event: E) => StoredEvent,
  ): readonly E[] {
    const ofTopic = this.#topics.get(topic);
    const scheduled = this.#scheduled.get(topic);
    if (!ofTopic && !scheduled) return events;
    return events.filter((event) =>
      !((ofTopic?.has(event.seq) || ofTopic?.has(0)) && this.of(storedOf(event))) &&
      !(scheduled && event.seq > (scheduled.get(storedOf(event).id) ?? Infinity))
    );
  }

  /** The event has no seq yet: whatever seq it gets, it is a redacted one. */
  expect({ topic, id, afterSeq }: { topic: string; id: string; afterSeq: number }): void {
    const ids = this.#scheduled.get(topic) ?? new Map<string, number>();
    this.#scheduled.set(topic, ids.set(id, afterSeq));
  }

  /** It is recorded under its seq, or not published any more. */
  expectNoMore({ topic, id }: { topic: string; id: string }): void {
    const ids = this.#scheduled.get(topic);
    ids?.delete(id);
    if (ids?.size === 0) this.#scheduled.delete(topic);
  }

  /** False if no event of the topic was redacted. */
  mayHave(topic: string): boolean {
    return !this.#areAll || this.#topics.has(topic);
  }

  /** Those that have to be finished. */
  unfinished(): RedactionRecord[] {
    return [...this.#topics.values()]
      .flatMap((ofTopic) => [...ofTopic.values()].flat())
      .filter(({ done }) => !done);
  }
}
