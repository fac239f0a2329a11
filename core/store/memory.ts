/**
 * Events in memory: the default of `new EventBroker()`, and the reference that the other stores are
 * tested against.
 */
import { assertObject } from "../base/options.ts";
import { type Event, type StoredEvent, storedEvent, toEvent, toWireLine } from "../event/event.ts";
import { decideAppend, eventsToSave, sizeOf } from "./append.ts";
import { appendInGroups, EMPTY_TOPIC, type TopicLookups } from "./atomic_group.ts";
import { type DedupWindow, DEFAULT_DEDUP_WINDOW_MS } from "./dedup.ts";
import type { StoreRequest } from "./pack.ts";
import { selectEvents } from "./select_events.ts";
import {
  type AppendOptions,
  type AppendOutcome,
  type EventQuery,
  type JournalStore,
  type KeyQuery,
  type LinePage,
  type Page,
  PAGE_BYTES,
  type PageQuery,
  type RedactRequest,
  type TopicHead,
} from "./store.ts";
import { redactedEvent } from "../event/redaction.ts";
import { concat } from "../base/bytes.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { AgeClock } from "./age_clock.ts";
import { type AgeMark, beginsStretch, MOST_MARKS, seekMarks, thinMarks } from "./age_marks.ts";

interface MemoryTopic {
  /** `events[i]` has the seq `firstSeq + i`. */
  events: StoredEvent[];
  firstSeq: number;
  lastSeq: number;
  bytes: number;
  /** The last number of each key. */
  countOfKey: Map<string, number>;
  /** The seqs of each key whose events are still there. */
  seqsOfKey: Map<string, number[]>;
  given: Map<string, { seq: number; receivedAt: number }>;
  marks: AgeMark[];
  /** When its last event was stored. */
  lastAt: number;
}

/**
 * A {@link JournalStore} that forgets everything when the process ends.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker({ eventStore: new MemoryEventStore() });
 * ```
 */
export class MemoryEventStore implements JournalStore {
  readonly kind = "memory";
  readonly atomic = true;
  readonly countsKeys = true;
  readonly durable = false;
  readonly #topics = new Map<string, MemoryTopic>();
  readonly #age: AgeClock;
  readonly #dedupWindow: number;

  /** Creates an empty store. */
  constructor(options: { clock?: Clock } & DedupWindow = {}) {
    assertObject(options, "the options of MemoryEventStore");
    const start = { skew: 0, newest: 0, save: () => true };
    this.#age = new AgeClock(options.clock ?? systemClock, start);
    this.#dedupWindow = options.dedupWindow ?? DEFAULT_DEDUP_WINDOW_MS;
  }

  append(
    requests: readonly StoreRequest[],
    { groups }: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    return Promise.resolve(appendInGroups(requests, groups, {
      store: (request) => this.#appendOne(request),
      lookups: (topic) => this.#lookups(this.#topics.get(topic)),
    }));
  }

  #lookups(topic: MemoryTopic | undefined): TopicLookups {
    if (!topic) return EMPTY_TOPIC;
    const since = this.#age.now() - this.#dedupWindow;
    return {
      lastSeq: topic.lastSeq,
      lastSeqOfKey: (key) => topic.seqsOfKey.get(key)?.at(-1) ?? 0,
      seqOfGivenId: (id) => {
        const seen = topic.given.get(id);
        return seen && seen.receivedAt > since ? seen.seq : undefined;
      },
      keySeqOfKey: (key) => topic.countOfKey.get(key) ?? 0,
      keySeqAt: (seq) => topic.events[seq - topic.firstSeq]?.keySeq ?? 0,
      firstSeq: topic.firstSeq,
    };
  }

  #appendOne(request: StoreRequest): AppendOutcome {
    const topic = this.#topics.get(request.topic) ?? this.#addTopic(request.topic);
    const now = this.#age.now();
    const outcome = decideAppend(request, {
      ...this.#lookups(topic),
      store: (seq, event) => {
        const kept = storedEvent(event, { topic: request.topic, seq });
        kept.payload = event.payload.slice(); // it may be a view on a larger buffer
        topic.events.push(kept);
        topic.lastSeq = seq;
        topic.bytes += sizeOf(event);
        if (event.key !== undefined) {
          topic.countOfKey.set(event.key, event.keySeq!);
          const seqs = topic.seqsOfKey.get(event.key);
          if (seqs) seqs.push(seq);
          else topic.seqsOfKey.set(event.key, [seq]);
        }
        if (event.idGiven) topic.given.set(event.id, { seq, receivedAt: now });
      },
    });
    if (outcome.ok && outcome.count > 0) markAge(topic, outcome.firstSeq, now);
    return outcome;
  }

  #addTopic(name: string): MemoryTopic {
    const topic: MemoryTopic = {
      events: [],
      firstSeq: 1,
      lastSeq: 0,
      bytes: 0,
      countOfKey: new Map(),
      seqsOfKey: new Map(),
      given: new Map(),
      marks: [],
      lastAt: 0,
    };
    this.#topics.set(name, topic);
    return topic;
  }

  head(topic: string): TopicHead {
    const { firstSeq, lastSeq, bytes } = this.#topics.get(topic) ??
      { firstSeq: 1, lastSeq: 0, bytes: 0 };
    return { firstSeq, lastSeq, bytes };
  }

  topics(): string[] {
    return [...this.#topics].filter(([, { lastSeq }]) => lastSeq > 0).map(([name]) => name);
  }

  readPage(topic: string, query: PageQuery): Page {
    const held = this.#topics.get(topic);
    if (!held) return { events: [], next: query.to + 1 };
    const from = Math.max(query.from, held.firstSeq);
    const most = Math.min(query.to, held.lastSeq, from + query.limit - 1);
    const end = endByBytes(held, from, most);
    const range = held.events.slice(from - held.firstSeq, Math.max(0, end - held.firstSeq + 1));
    const events = query.types ? range.filter((e) => query.types!.includes(e.type)) : range;
    return { events, next: end >= Math.min(query.to, held.lastSeq) ? query.to + 1 : end + 1 };
  }

  readLines(topic: string, query: PageQuery): LinePage {
    const { events, next } = this.readPage(topic, query);
    return {
      bytes: concat(events.map(toWireLine)),
      count: events.length,
      lastSeq: events.at(-1)?.seq ?? 0,
      next,
    };
  }

  readKey(topic: string, { key, from, to, limit }: KeyQuery): Page {
    const held = this.#topics.get(topic);
    const seqs = held?.seqsOfKey.get(key) ?? [];
    let first = 0;
    for (let end = seqs.length; first < end;) {
      const middle = (first + end) >> 1;
      if (seqs[middle]! < from) first = middle + 1;
      else end = middle;
    }
    const events: StoredEvent[] = [];
    let bytes = 0;
    for (let i = first; i < seqs.length && seqs[i]! <= to; i++) {
      if (events.length >= limit || bytes >= PAGE_BYTES) return { events, next: seqs[i]! };
      const event = held!.events[seqs[i]! - held!.firstSeq]!;
      bytes += sizeOf(event);
      events.push(event);
    }
    return { events, next: to + 1 };
  }

  lastSeqOfKey(topic: string, key: string): number {
    return this.#topics.get(topic)?.seqsOfKey.get(key)?.at(-1) ?? 0;
  }

  find(topic: string, id: string): StoredEvent | undefined {
    return this.#topics.get(topic)?.events.findLast((event) => event.id === id);
  }

  seekAge(topic: string, age: number): Promise<number> {
    const held = this.#topics.get(topic);
    return Promise.resolve(
      held ? seekMarks(held.marks, { ...held, since: this.#age.now() - age }) : 1,
    );
  }

  seekTime(topic: string, timestamp: number, latest = Infinity): number {
    const held = this.#topics.get(topic);
    if (!held) return 1;
    const index = held.events.findIndex((event) =>
      event.timestamp >= timestamp && event.timestamp <= latest
    );
    return index < 0 ? held.lastSeq + 1 : held.firstSeq + index;
  }

  seekBytes(topic: string, maxBytes: number): number {
    const held = this.#topics.get(topic);
    if (!held) return 1;
    let bytes = 0;
    for (let i = held.events.length - 1; i >= 0; i--) {
      bytes += sizeOf(held.events[i]!);
      if (bytes > maxBytes) return held.firstSeq + i + 1;
    }
    return held.firstSeq;
  }

  truncate(topic: string, seq: number): Promise<number> {
    const held = this.#topics.get(topic);
    if (!held) return Promise.resolve(0);
    const gone = held.events.splice(
      0,
      Math.max(0, Math.min(seq, held.lastSeq + 1) - held.firstSeq),
    );
    held.firstSeq += gone.length;
    const covering = held.marks.findLastIndex((mark) => mark.seq <= held.firstSeq);
    held.marks.splice(0, Math.max(0, covering));
    for (const event of gone) {
      held.bytes -= sizeOf(event);
      // It is the oldest of its key, because earlier ones are already gone.
      if (event.key === undefined) continue;
      const seqs = held.seqsOfKey.get(event.key)!;
      seqs.shift();
      if (seqs.length > 0) continue;
      held.seqsOfKey.delete(event.key);
      // A redacted event that is left may have had a higher one.
      if (held.countOfKey.get(event.key)! < held.firstSeq) held.countOfKey.delete(event.key);
    }
    return Promise.resolve(gone.length);
  }

  redact(topic: string, { seq, id, ...content }: RedactRequest): Promise<boolean> {
    const held = this.#topics.get(topic);
    const event = held?.events[seq - held.firstSeq];
    if (!held || event?.id !== id) return Promise.resolve(false);
    const redacted = redactedEvent(event, content);
    held.events[seq - held.firstSeq] = redacted;
    held.bytes += sizeOf(redacted) - sizeOf(event);
    if (event.key !== redacted.key) {
      moveSeq(held.seqsOfKey, seq, { from: event.key, to: redacted.key });
    }
    return Promise.resolve(true);
  }

  async removeTopic(topic: string): Promise<void> {
    const held = this.#topics.get(topic);
    if (!held) return;
    await this.truncate(topic, held.lastSeq + 1);
    held.given.clear();
  }

  /** Stores one event; it gets a new `seq`. */
  async saveEvent(event: Event): Promise<void> {
    await this.append([eventsToSave(event)]);
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    const events = selectEvents(this, topic, options);
    return Promise.resolve(events.map((stored) => toEvent(stored)));
  }

  deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    return this.truncate(topic, this.seekTime(topic, beforeTimestamp));
  }

  /** Does nothing: there is nothing to close. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The event has another key now. */
function moveSeq(
  seqsOfKey: Map<string, number[]>,
  seq: number,
  { from, to }: { from: string | undefined; to: string | undefined },
): void {
  if (from !== undefined) {
    const left = seqsOfKey.get(from)!.filter((other) => other !== seq);
    if (left.length > 0) seqsOfKey.set(from, left);
    else seqsOfKey.delete(from);
  }
  if (to === undefined) return;
  seqsOfKey.set(to, [...seqsOfKey.get(to) ?? [], seq].sort((a, b) => a - b));
}

/** Records when events from `seq` on were stored. */
function markAge(topic: MemoryTopic, seq: number, now: number): void {
  if (beginsStretch(topic.marks.at(-1)?.at, now)) {
    topic.marks.push({ seq, at: now });
    if (topic.marks.length > MOST_MARKS) topic.marks = thinMarks(topic.marks, now);
  }
  topic.lastAt = now;
}

/** The last seq of a page that begins at `from` and stays within the byte limit. */
function endByBytes(held: MemoryTopic, from: number, end: number): number {
  if (held.bytes <= PAGE_BYTES) return end;
  let left = PAGE_BYTES;
  for (let seq = from; seq <= end; seq++) {
    left -= sizeOf(held.events[seq - held.firstSeq]!);
    if (left < 0) return Math.max(from, seq - 1);
  }
  return end;
}
