/**
 * Events in files: per topic one folder of append-only segments in the wire format, so that `jq` and `grep` read them and
 * an unfiltered replay copies bytes. How they lie is in file/layout.ts, how they are vouched for in file/block.ts, what a
 * crash may leave in file/recovery.ts.
 *
 * The daemon runs this class in a worker (core/store/file_worker_store.ts), an application may run it where it is.
 */
import { type Clock, systemClock } from "../clock.ts";
import { ClosedError, EvsError, InternalError } from "../errors.ts";
import { type Event, type StoredEvent, toEvent } from "../event.ts";
import { type DedupWindow, eventsToSave } from "./append.ts";
import type { Damage, Found } from "./damage.ts";
import { Accepted } from "./file/accepted.ts";
import { type Disk, systemDisk } from "./file/disk.ts";
import { asStoreError } from "./file/faults.ts";
import { LateSync } from "./file/late_sync.ts";
import { type OpenedStore, openStore } from "./file/open_store.ts";
import { DamageLog } from "./file/damage_log.ts";
import { FileReader } from "./file/reader.ts";
import { SegmentCache } from "./file/segment_cache.ts";
import type { SegmentLimits, TopicWriter, WriterContext } from "./file/topic_writer.ts";
import { Topics } from "./file/topics.ts";
import type { TopicChange, TopicView } from "./file/view.ts";
import type { PackedViews } from "./file/view_table.ts";
import type { StoreRequest } from "./pack.ts";
import { LineRooms } from "./packed_lines.ts";
import { type Durability, intervalOf } from "./durability.ts";
import type {
  AppendOutcome,
  EventQuery,
  JournalStore,
  LinePage,
  Page,
  PageQuery,
  TopicHead,
} from "./store.ts";

/** How a {@link FileEventStore} opens its folder. */
export interface FileStoreOptions extends DedupWindow {
  /** Default `always`: an append resolves when it survives a power cut. */
  durability?: Durability;
  /** When a segment is full: default 128 MiB or a day. */
  segments?: Partial<SegmentLimits>;
  /** Default: the real one. */
  clock?: Clock;
  /** @internal */
  disk?: Disk;
  /**
   * With more topics than that, a start takes the checkpoint's word for those that nobody wrote to: default 100.
   * @internal
   */
  lookAtMost?: number;
  /** Told what was mended at the start and what is damaged, in words. Default: nobody. */
  onNote?: (note: string) => void;
  /** Told of events that a read had to leave out, once for each block of them. */
  onDamage?: (damage: Found) => void;
  /** Told at once of a sync by timer (`interval`) that failed: the next append is told too, and may never come. */
  onFailure?: (error: unknown) => void;
}

const DEFAULT_LIMITS: SegmentLimits = { maxBytes: 128 * 1024 * 1024, maxAge: 86_400_000 };
/** Looking at a topic's folder takes some 0.3 ms. */
const LOOK_AT_MOST = 100;
/** Topics whose files are open. */
const MOST_OPEN = 256;

/**
 * A {@link JournalStore} in a folder.
 *
 * ```ts
 * import { EventBroker, FileEventStore } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker({ eventStore: new FileEventStore("./events") });
 * ```
 */
export class FileEventStore implements JournalStore {
  readonly kind = "file";
  readonly durable: boolean;
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #durability: Durability;
  readonly #cache: SegmentCache;
  readonly #reader: FileReader;
  readonly #context: WriterContext;
  readonly #damage: DamageLog;
  readonly #topics: Topics;
  /** Topics whose files are open, in the order of their last use. */
  readonly #open = new Set<TopicWriter>();
  readonly #late: LateSync;
  readonly #lookAtMost: number;
  readonly #onFailure: FileStoreOptions["onFailure"];
  readonly #opened: OpenedStore;
  #queue: Promise<unknown> = Promise.resolve();
  #failed: unknown;
  #closed = false;

  /**
   * Opens or creates the store in the folder `dir`. Throws `DataDirError` when somebody else has it, when it is of a newer
   * format or not ours.
   */
  constructor(dir: string, options: FileStoreOptions = {}) {
    const durability = options.durability ?? "always";
    const disk = options.disk ?? systemDisk;
    this.#durability = durability;
    this.durable = durability === "always";
    this.#dir = dir;
    this.#clock = options.clock ?? systemClock;
    this.#onFailure = options.onFailure;
    this.#late = new LateSync(this.#clock, (writers) => this.#flush(writers));
    this.#damage = new DamageLog(this.#clock, new Accepted(disk, dir), options.onDamage);
    this.#cache = new SegmentCache(disk, dir);
    this.#reader = new FileReader(this.#cache, {
      viewOf: (name) => this.view(name),
      damage: this.#damage,
    });
    const now = this.#clock.now();
    const lookAtMost = this.#lookAtMost = options.lookAtMost ?? LOOK_AT_MOST;
    this.#opened = openStore(disk, dir, { now, lookAtMost });
    this.#topics = new Topics(this.#opened.known);
    this.#context = {
      disk,
      dir,
      reader: this.#reader,
      cache: this.#cache,
      rooms: new LineRooms(),
      limits: { ...DEFAULT_LIMITS, ...options.segments },
      dedupWindow: options.dedupWindow ?? 86_400_000,
      checkpoint: this.#opened.checkpoint,
      onNote: (note) => options.onNote?.(note),
    };
    for (const opened of this.#opened.topics) this.#topics.add(this.#context, opened);
    // Should it be killed, the next start need not look at them again.
    if (this.#opened.topics.length > lookAtMost) this.#opened.checkpoint.write(this.views());
    for (const note of this.#opened.notes) options.onNote?.(note);
  }

  /** Where the events are. */
  get dir(): string {
    return this.#dir;
  }

  /** What was mended when it was opened, in words; and what in the folder is not ours. */
  get found(): { notes: readonly string[]; foreign: readonly string[] } {
    return this.#opened;
  }

  append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    return this.appendTelling(requests).then(({ outcomes }) => outcomes);
  }

  /**
   * The same; tells what has become of the topics, for a reader in another thread.
   * @internal
   */
  appendTelling(
    requests: readonly StoreRequest[],
    durability: Durability = this.#durability,
  ): Promise<{ outcomes: AppendOutcome[]; changes: TopicChange[] }> {
    return this.#inTurn(async () => {
      try {
        return await this.#append(requests, durability);
      } finally {
        this.#context.rooms.reset();
      }
    });
  }

  async #append(
    requests: readonly StoreRequest[],
    durability: Durability,
  ): Promise<{ outcomes: AppendOutcome[]; changes: TopicChange[] }> {
    const now = this.#clock.now();
    const touched = new Set<TopicWriter>();
    let outcomes: AppendOutcome[];
    let written: TopicWriter[];
    try {
      outcomes = requests.map((request) => {
        const writer = this.#topics.writerOf(this.#context, request.topic);
        touched.add(writer);
        return writer.take(request, now);
      });
      written = [...touched].filter((writer) => writer.hasPending);
      await this.#context.checkpoint.strikeOff(written.map(({ view }) => view.name));
      for (const writer of written) this.#use(writer, now);
      for (const writer of written) writer.write();
    } catch (error) {
      this.#takeBack(touched);
      throw this.#fault(error);
    }
    const synced = durability === "always";
    if (synced) await this.#sync(written);
    const changes = written.map((writer) => writer.commit({ synced }));
    const interval = intervalOf(durability);
    if (interval !== undefined) this.#late.add(written, interval);
    return { outcomes, changes };
  }

  /** Makes the files of a topic ready, and closes those that were not used for long. */
  #use(writer: TopicWriter, now: number): void {
    this.#open.delete(writer);
    this.#open.add(writer);
    writer.prepare(now);
    for (const oldest of this.#open) {
      if (this.#open.size <= MOST_OPEN) break;
      if (oldest.hasPending) continue;
      oldest.close();
      this.#open.delete(oldest);
    }
  }

  #takeBack(writers: Iterable<TopicWriter>): void {
    for (const writer of writers) {
      try {
        writer.rollback();
      } catch (error) {
        // Something that nobody acknowledged stays at the end: only recovery may go on from there.
        this.#failed ??= error;
      }
    }
  }

  async #sync(writers: readonly TopicWriter[]): Promise<void> {
    try {
      await Promise.all(writers.map((writer) => writer.sync()));
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #flush(writers: readonly TopicWriter[]): void {
    void this.#inTurn(() => {
      try {
        for (const writer of writers) writer.flush();
      } catch (error) {
        throw this.#fail(error);
      }
    }).catch((error) => this.#onFailure?.(error)); // kept in `#failed`, too: the next append is told
  }

  #fault(error: unknown): unknown {
    const known = asStoreError(error);
    if (known instanceof EvsError && this.#failed === undefined) return known;
    return this.#fail(this.#failed ?? error);
  }

  /** After this nothing is taken any more (contract row 7). */
  #fail(error: unknown): InternalError {
    this.#failed ??= error;
    const why = error instanceof Error ? error.message : String(error);
    return new InternalError(`writing to ${this.#dir} failed: ${why}`, { cause: error });
  }

  /** One thing after the other. */
  async #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const before = this.#queue;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue = promise;
    await before;
    try {
      if (this.#closed) throw new ClosedError(`the store in ${this.#dir} is closed`);
      if (this.#failed !== undefined) throw this.#fail(this.#failed);
      return await work();
    } finally {
      resolve();
    }
  }

  damage(): readonly Damage[] {
    return this.#damage.list();
  }

  acceptDamage(): void {
    this.#damage.accept();
  }

  head(topic: string): TopicHead {
    return this.#topics.head(topic);
  }

  /**
   * All that is known of a topic without reading its events.
   * @internal
   */
  view(topic: string): TopicView | undefined {
    return this.#topics.view(topic);
  }

  /**
   * The same of all topics.
   * @internal
   */
  views(): PackedViews {
    return this.#topics.pack();
  }

  topics(): string[] {
    return this.#topics.used();
  }

  readPage(topic: string, query: PageQuery): Page {
    return this.#reader.readPage(topic, query);
  }

  keepsLines(): boolean {
    return true;
  }

  readLines(topic: string, query: PageQuery): LinePage {
    return this.#reader.readLines(topic, query);
  }

  find(topic: string, id: string): StoredEvent | undefined {
    return this.#reader.find(topic, id);
  }

  seekTime(topic: string, timestamp: number): number {
    return this.#reader.seekTime(topic, timestamp);
  }

  seekBytes(topic: string, maxBytes: number): number {
    return this.#reader.seekBytes(topic, maxBytes);
  }

  truncate(topic: string, seq: number): Promise<number> {
    return this.#inTurn(() => {
      const writer = this.#topics.writerOfKnown(this.#context, topic);
      return writer ? this.#change(() => writer.truncate(seq, this.#clock.now())) : 0;
    });
  }

  removeTopic(topic: string): Promise<void> {
    return this.#inTurn(() => {
      const writer = this.#topics.writerOfKnown(this.#context, topic);
      if (writer) this.#change(() => writer.removeAll(this.#clock.now()));
    });
  }

  #change<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#fault(error);
    }
  }

  /** Stores one event; its `seq` is assigned anew. */
  async saveEvent(event: Event): Promise<void> {
    await this.append([eventsToSave(event)]);
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    return Promise.resolve(this.#reader.getEvents(topic, options).map((stored) => toEvent(stored)));
  }

  deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    return this.truncate(topic, this.seekTime(topic, beforeTimestamp));
  }

  /** Syncs what waits, and gives the folder up. A store that failed is left as it is. */
  async close(): Promise<void> {
    await this.#queue;
    if (this.#closed) return;
    this.#closed = true;
    this.#late.cancel();
    try {
      for (const writer of this.#open) {
        if (this.#failed === undefined) writer.close();
        else writer.abandon();
      }
      const many = this.#topics.size > this.#lookAtMost;
      if (many && this.#failed === undefined) this.#opened.checkpoint.write(this.views());
    } finally {
      this.#opened.checkpoint.close();
      this.#cache.close();
      this.#opened.lock.close();
    }
  }
}
