/**
 * A base class that forwards reads to an {@link EventReader}: our stores differ in how they write,
 * and share this.
 */
import type { Event, StoredEvent } from "../event/event.ts";
import type { TopicHead } from "../event/topic_head.ts";
import { eventsToSave } from "./append.ts";
import { readKey } from "./by_key.ts";
import type { StoreRequest } from "./pack.ts";
import type { EventReader } from "./reader.ts";
import type {
  AppendOptions,
  AppendOutcome,
  EventQuery,
  JournalStore,
  KeyQuery,
  LinePage,
  Page,
  PageQuery,
} from "./store.ts";

/**
 * A {@link JournalStore} that names the reader of each topic.
 * @internal
 */
export abstract class ForwardingStore implements JournalStore {
  abstract readonly durable: boolean;

  /** The reader of a topic. */
  protected abstract readerOf(topic: string): EventReader;

  abstract topics(): string[];

  abstract append(
    requests: readonly StoreRequest[],
    options?: AppendOptions,
  ): Promise<AppendOutcome[]>;

  abstract truncate(topic: string, seq: number): Promise<number>;

  abstract removeTopic(topic: string): Promise<void>;

  abstract getEvents(topic: string, options?: EventQuery): Promise<Event[]>;

  abstract close(): Promise<void>;

  head(topic: string): TopicHead {
    return this.readerOf(topic).head(topic);
  }

  readPage(topic: string, query: PageQuery): Page {
    return this.readerOf(topic).readPage(topic, query);
  }

  keepsLines(topic: string): boolean {
    return this.readerOf(topic).keepsLines?.(topic) ?? false;
  }

  readLines(topic: string, query: PageQuery): LinePage {
    return this.readerOf(topic).readLines(topic, query);
  }

  readKey(topic: string, query: KeyQuery): Page {
    return readKey(this.readerOf(topic), topic, query);
  }

  lastSeqOfKey(topic: string, key: string): number | undefined {
    return this.readerOf(topic).lastSeqOfKey?.(topic, key);
  }

  find(topic: string, id: string): StoredEvent | undefined {
    return this.readerOf(topic).find(topic, id);
  }

  seekTime(topic: string, timestamp: number, latest?: number): number {
    return this.readerOf(topic).seekTime(topic, timestamp, latest);
  }

  seekBytes(topic: string, maxBytes: number): number {
    return this.readerOf(topic).seekBytes(topic, maxBytes);
  }

  /** Stores one event; it gets a new `seq`. */
  async saveEvent(event: Event): Promise<void> {
    await this.append([eventsToSave(event)]);
  }

  deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    return this.truncate(topic, this.seekTime(topic, beforeTimestamp));
  }
}
