/**
 * A base class that forwards reads to an {@link EventReader}: our stores differ in how they write,
 * and share this.
 */
import { isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { Event } from "../event/event.ts";
import type { TopicHead } from "../event/topic_head.ts";
import { eventsToSave } from "./append.ts";
import { readKey } from "./by_key.ts";
import { asReadError } from "./read_error.ts";
import type { StoreRequest } from "./pack.ts";
import type { EventReader, SyncEventReader } from "./reader.ts";
import type {
  AppendOptions,
  AppendOutcome,
  EventQuery,
  JournalStore,
  KeyQuery,
  PageQuery,
} from "./store.ts";

/** What a reader's method returns: at once, or later. */
type Answer<Reader extends EventReader, Name extends keyof SyncEventReader> = ReturnType<
  NonNullable<Reader[Name]>
>;

/**
 * A {@link JournalStore} that names the reader of each topic, and answers like it.
 * @internal
 */
export abstract class ForwardingStore<Reader extends EventReader = SyncEventReader>
  implements JournalStore {
  abstract readonly durable: boolean;

  /** The reader of a topic. */
  protected abstract readerOf(topic: string): Reader;

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

  readPage(topic: string, query: PageQuery): Answer<Reader, "readPage"> {
    const read = () => this.readerOf(topic).readPage(topic, query);
    return reading(topic, read) as Answer<Reader, "readPage">;
  }

  keepsLines(topic: string): boolean {
    return this.readerOf(topic).keepsLines?.(topic) ?? false;
  }

  readLines(topic: string, query: PageQuery): Answer<Reader, "readLines"> {
    const read = () => this.readerOf(topic).readLines(topic, query);
    return reading(topic, read) as Answer<Reader, "readLines">;
  }

  readKey(topic: string, query: KeyQuery): Answer<Reader, "readPage"> {
    const read = () => readKey(this.readerOf(topic), topic, query);
    return reading(topic, read) as Answer<Reader, "readPage">;
  }

  lastSeqOfKey(topic: string, key: string): Answer<Reader, "lastSeqOfKey"> | undefined {
    const last = reading(topic, () => this.readerOf(topic).lastSeqOfKey?.(topic, key));
    return last as Answer<Reader, "lastSeqOfKey"> | undefined;
  }

  find(topic: string, id: string): Answer<Reader, "find"> {
    const read = () => this.readerOf(topic).find(topic, id);
    return reading(topic, read) as Answer<Reader, "find">;
  }

  seekTime(topic: string, timestamp: number, latest?: number): Answer<Reader, "seekTime"> {
    const read = () => this.readerOf(topic).seekTime(topic, timestamp, latest);
    return reading(topic, read) as Answer<Reader, "seekTime">;
  }

  seekBytes(topic: string, maxBytes: number): Answer<Reader, "seekBytes"> {
    const read = () => this.readerOf(topic).seekBytes(topic, maxBytes);
    return reading(topic, read) as Answer<Reader, "seekBytes">;
  }

  /** Stores one event; it gets a new `seq`. */
  async saveEvent(event: Event): Promise<void> {
    await this.append([eventsToSave(event)]);
  }

  deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    const seq: MaybePromise<number> = this.seekTime(topic, beforeTimestamp);
    return isPromise(seq)
      ? seq.then((seq) => this.truncate(topic, seq))
      : this.truncate(topic, seq);
  }
}

/** Reads of files are refused at once; a reader elsewhere has errors of its own. */
function reading<T>(topic: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw asReadError(error, `what is stored of ${topic}`);
  }
}
