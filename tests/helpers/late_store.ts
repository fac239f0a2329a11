/**
 * A store whose reads come later, as from a database: events in memory, behind promises. Heads stay
 * exact.
 */
import type { EventReader, SyncEventReader } from "../../core/store/reader.ts";
import { ForwardingStore } from "../../core/store/forwarding_store.ts";
import { MemoryEventStore } from "../../core/store/memory.ts";
import type { StoreRequest } from "../../core/store/pack.ts";
import type {
  Appended,
  AppendOptions,
  AppendOutcome,
  EventQuery,
  RedactRequest,
} from "../../core/store/store.ts";

/** A read that is under way. */
export interface LateRead {
  /** The method. */
  name: keyof SyncEventReader;
  topic: string;
  /** Reads now what comes later; else it is read when it comes. */
  take(): void;
  /** Answers it. */
  come(): void;
  fail(error: unknown): void;
}

type Wait = (read: LateRead) => void;

/** A store in memory that promises what it reads; `wait` gets each read, and says when it comes. */
export class LateStore extends ForwardingStore<EventReader> {
  readonly durable = false;
  readonly atomic = true;
  readonly countsKeys = true;
  /** Where the events are. */
  readonly inner: MemoryEventStore;
  readonly #reader: EventReader;
  readonly #listeners = new Set<(appended: Appended) => void>();

  constructor(inner: MemoryEventStore, wait: Wait) {
    super();
    this.inner = inner;
    this.#reader = lateReader(inner, wait);
  }

  protected readerOf(): EventReader {
    return this.#reader;
  }

  topics(): string[] {
    return this.inner.topics();
  }

  append(requests: readonly StoreRequest[], options?: AppendOptions): Promise<AppendOutcome[]> {
    return this.inner.append(requests, options);
  }

  /** Appends as another process does, which tells the listeners. */
  async appendElsewhere(request: StoreRequest): Promise<void> {
    const [outcome] = await this.inner.append([request]);
    if (!outcome?.ok) throw new Error("the append was refused");
    const { firstSeq, lastSeq } = outcome;
    for (const listener of this.#listeners) listener({ topic: request.topic, firstSeq, lastSeq });
  }

  onAppended(listener: (appended: Appended) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  seekAge(topic: string, age: number): Promise<number> {
    return this.inner.seekAge(topic, age);
  }

  truncate(topic: string, seq: number): Promise<number> {
    return this.inner.truncate(topic, seq);
  }

  redact(topic: string, request: RedactRequest): Promise<boolean> {
    return this.inner.redact(topic, request);
  }

  removeTopic(topic: string): Promise<void> {
    return this.inner.removeTopic(topic);
  }

  getEvents(topic: string, options?: EventQuery) {
    return this.inner.getEvents(topic, options);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** The reads of `inner`, each when `wait` lets it come. */
function lateReader(inner: MemoryEventStore, wait: Wait): EventReader {
  const late = <T>(name: keyof SyncEventReader, topic: string, read: () => T): Promise<T> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let taken: { value: T } | undefined;
    wait({
      name,
      topic,
      take: () => void (taken ??= { value: read() }),
      come: () => resolve((taken ?? { value: read() }).value),
      fail: reject,
    });
    return promise;
  };
  return {
    head: (topic) => inner.head(topic),
    topics: () => inner.topics(),
    readPage: (topic, query) => late("readPage", topic, () => inner.readPage(topic, query)),
    readLines: (topic, query) => late("readLines", topic, () => inner.readLines(topic, query)),
    readKey: (topic, query) => late("readKey", topic, () => inner.readKey(topic, query)),
    lastSeqOfKey: (topic, key) => late("lastSeqOfKey", topic, () => inner.lastSeqOfKey(topic, key)),
    find: (topic, id) => late("find", topic, () => inner.find(topic, id)),
    seekTime: (topic, timestamp, latest) =>
      late("seekTime", topic, () => inner.seekTime(topic, timestamp, latest)),
    seekBytes: (topic, most) => late("seekBytes", topic, () => inner.seekBytes(topic, most)),
  };
}

/** Lets each read come after some turns, by default of the loop, so that they come in any order. */
export function inSomeTurns(
  random: (below: number) => number,
  { turn = immediate, most = 3 }: { turn?: () => Promise<void>; most?: number } = {},
): Wait {
  return async (read) => {
    if (random(2) === 0) read.take();
    for (let turns = random(most + 1); turns > 0; turns--) await turn();
    read.come();
  };
}

function immediate(): Promise<void> {
  return new Promise((resolve) => void setImmediate(() => resolve()));
}

/** What takes longer than so many turns of the loop never comes. */
const MOST_TURNS = 200;

function later(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Reads that come when a test says so. */
export class HeldReads {
  readonly all: LateRead[] = [];
  readonly wait: Wait = (read) => void this.all.push(read);

  /** The oldest read that is under way, as soon as there is one. */
  async next(): Promise<LateRead> {
    for (let turn = 0; turn < MOST_TURNS && this.all.length === 0; turn++) await later();
    const read = this.all.shift();
    if (read === undefined) throw new Error("nothing is read");
    return read;
  }

  /** Lets reads come until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(() => isSettled = true, () => isSettled = true);
    for (let turn = 0; turn < MOST_TURNS && !isSettled; turn++) {
      for (const read of this.all.splice(0)) read.come();
      await later();
    }
    if (!isSettled) throw new Error("it does not come, whatever is read");
    return await promise;
  }
}
