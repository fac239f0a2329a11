/**
 * Events in files: a folder per topic with append-only segments in the wire format, so that `jq`
 * and `grep` can read them and an unfiltered replay copies bytes. The file layout is described in
 * file/layout.ts, checksums in file/block.ts, and crash recovery in file/recovery.ts.
 *
 * The daemon runs this class in a worker (core/store/worker/file_worker_store.ts); an application
 * may run it in its own thread.
 */
import { assertObject, assertPlace } from "../../base/options.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { type Event, toEvent } from "../../event/event.ts";
import { type DedupWindow, DEFAULT_DEDUP_WINDOW_MS } from "../dedup.ts";
import type { Damage, Found } from "../damage.ts";
import { Accepted } from "./accepted.ts";
import { BatchRecord, readBatchRecord } from "./batch_record.ts";
import type { AgeClock } from "../age_clock.ts";
import { openAgeClock, readSkew } from "./age_clock_file.ts";
import { type Disk, systemDisk } from "./disk.ts";
import { raisedOver } from "./holes.ts";
import { LateSync } from "./late_sync.ts";
import { type OpenedStore, openStore } from "./open_store.ts";
import { DamageLog } from "./damage_log.ts";
import { asOpenError } from "./faults.ts";
import type { KeptFiles } from "./kept_events.ts";
import { FileReader } from "./reader.ts";
import { SegmentCache } from "./segment_cache.ts";
import type { SegmentLimits, TopicWriter, WriterContext } from "./topic_writer.ts";
import { Topics } from "./topics.ts";
import { Turns } from "./turns.ts";
import type { TopicChange, TopicView } from "./view.ts";
import { newestIn, type PackedViews } from "./view_table.ts";
import type { StoreRequest } from "../pack.ts";
import { LineRooms } from "../packed_lines.ts";
import { type Durability, intervalOf } from "../../event/durability.ts";
import { appendInGroups } from "../atomic_group.ts";
import type {
  AppendOptions,
  AppendOutcome,
  AtomicGroup,
  EventQuery,
  JournalStore,
  RedactRequest,
} from "../store.ts";
import { ForwardingStore } from "../forwarding_store.ts";
import type { SyncEventReader } from "../reader.ts";

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
   * Above this number of topics, a start trusts the checkpoint for topics that were not written to:
   * default 100.
   * @internal
   */
  lookAtMost?: number;
  /**
   * Called with a message for each repair at start and each damage found. Default: not reported.
   */
  onNote?: (note: string) => void;
  /** Called for events that a read had to leave out, once per block. */
  onDamage?: (damage: Found) => void;
  /**
   * Called as soon as a sync by timer (`interval`) fails: the next append fails too, but may never
   * come.
   */
  onFailure?: (error: unknown) => void;
}

const DEFAULT_LIMITS: SegmentLimits = { maxBytes: 128 * 1024 * 1024, maxAge: 86_400_000 };
/** Opening a topic's folder takes about 0.3 ms. */
const LOOK_AT_MOST = 100;
/** Topics whose files are kept open. */
const MOST_OPEN = 256;
/** Of these, topics whose files have a second descriptor for syncs beside writes. */
const MOST_BESIDE = 32;

/**
 * A {@link JournalStore} in a folder.
 *
 * ```ts
 * import { EventBroker, FileEventStore } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker({ eventStore: new FileEventStore("./events") });
 * ```
 */
export class FileEventStore extends ForwardingStore implements JournalStore {
  readonly kind = "file";
  readonly atomic = true;
  readonly countsKeys = true;
  readonly durable: boolean;
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #age: AgeClock;
  readonly #durability: Durability;
  readonly #cache: SegmentCache;
  readonly #reader: FileReader;
  readonly #context: WriterContext;
  readonly #damage: DamageLog;
  readonly #topics: Topics;
  /** Topics whose files are open, least recently used first. */
  readonly #open = new Set<TopicWriter>();
  /** Writers that hold the second descriptor for syncs beside writes. */
  readonly #beside = new Set<TopicWriter>();
  readonly #late: LateSync;
  readonly #lookAtMost: number;
  readonly #onFailure: FileStoreOptions["onFailure"];
  readonly #opened: OpenedStore;
  readonly #turns: Turns;
  readonly #batch: BatchRecord;

  /**
   * Opens or creates the store in the folder `dir`. Throws `DataDirError` if another process has it
   * open, if it has a newer format, or if the folder is not a store.
   */
  constructor(dir: string, options: FileStoreOptions = {}) {
    super();
    assertPlace(dir, "the folder of a FileEventStore");
    assertObject(options, "the options of FileEventStore");
    const durability = options.durability ?? "always";
    const disk = options.disk ?? systemDisk;
    this.#durability = durability;
    this.durable = durability === "always";
    this.#dir = dir;
    this.#turns = new Turns(dir);
    this.#clock = options.clock ?? systemClock;
    this.#onFailure = options.onFailure;
    this.#late = new LateSync(this.#clock, (writers) => this.#flush(writers));
    this.#damage = new DamageLog(this.#clock, new Accepted(disk, dir), options.onDamage);
    this.#cache = new SegmentCache(disk, dir);
    const now = this.#clock.now() + readSkew(disk, dir);
    const lookAtMost = this.#lookAtMost = options.lookAtMost ?? LOOK_AT_MOST;
    this.#opened = openStore(disk, dir, { now, lookAtMost });
    this.#topics = new Topics(this.#opened.known);
    this.#reader = new FileReader(this.#cache, { topics: this.#topics, damage: this.#damage });
    this.#context = {
      disk,
      dir,
      reader: this.#reader,
      cache: this.#cache,
      rooms: new LineRooms(),
      limits: { ...DEFAULT_LIMITS, ...options.segments },
      dedupWindow: options.dedupWindow ?? DEFAULT_DEDUP_WINDOW_MS,
      checkpoint: this.#opened.checkpoint,
      onNote: (note) => options.onNote?.(note),
      onLost: (found) => this.#damage.tell(found),
    };
    for (const opened of this.#opened.topics) this.#topics.add(this.#context, opened);
    this.#batch = new BatchRecord(disk, dir);
    this.#completeBatch(now);
    const newest = newestIn(this.views());
    this.#age = openAgeClock(disk, dir, { clock: this.#clock, newest });
    // If the process is killed, the next start need not look at these topics again.
    if (this.#opened.topics.length > lookAtMost) this.#opened.checkpoint.write(this.views());
    for (const note of this.#opened.notes) options.onNote?.(note);
    for (const found of this.#opened.lost) this.#damage.tell(found);
  }

  /** Adds to the topics what a crash kept from them of an append that had been recorded. */
  #completeBatch(now: number): void {
    const { disk, dir } = this.#context;
    try {
      for (const section of readBatchRecord(disk, dir)) {
        const writer = this.#topics.writerOf(this.#context, section.topic);
        const added = writer.complete(section, now);
        if (added === 0) continue;
        const { lastSeq } = writer.view;
        this.#opened.notes.push(
          `topic ${section.topic}: a crash had interrupted a batch of several topics: ` +
            `added its events ${lastSeq - added + 1} to ${lastSeq}`,
        );
      }
      this.#batch.discard();
    } catch (error) {
      this.#opened.checkpoint.close();
      this.#opened.lock.close();
      throw asOpenError(error, dir);
    }
  }

  /** The folder with the events. */
  get dir(): string {
    return this.#dir;
  }

  /** What was repaired at the start, and what in the folder is not ours. */
  get found(): { notes: readonly string[]; lost: readonly Found[]; foreign: readonly string[] } {
    return this.#opened;
  }

  append(
    requests: readonly StoreRequest[],
    { durability, groups }: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    return this.appendTelling(requests, { durability, groups }).then(({ outcomes }) => outcomes);
  }

  /**
   * Like {@link append}, but also returns how the topics changed, for a reader in another thread.
   * With `onWritten`, reads of this object see the events before they are synced.
   * @internal
   */
  async appendTelling(
    requests: readonly StoreRequest[],
    { durability = this.#durability, onWritten, groups }: AppendOptions = {},
  ): Promise<{ outcomes: AppendOutcome[]; changes: TopicChange[] }> {
    const topics = new Set(requests.map(({ topic }) => topic)).size;
    if (durability !== "always" || !onWritten || groups || topics > MOST_BESIDE) {
      return await this.#turns.take(() => this.#append(requests, { durability, groups }));
    }
    const { synced, ...told } = await this.#turns.take(async () => {
      const { outcomes, written } = await this.#write(requests, { beside: true });
      const changes = written.map((writer) => writer.commit({ synced: false }));
      const sync = () => Promise.all(written.map((writer) => writer.syncBeside()));
      return { outcomes, changes, synced: this.#turns.syncBehind(sync) };
    }, { beside: true });
    onWritten();
    await synced;
    return told;
  }

  async #append(
    requests: readonly StoreRequest[],
    { durability, groups }: { durability: Durability; groups?: readonly AtomicGroup[] },
  ): Promise<{ outcomes: AppendOutcome[]; changes: TopicChange[] }> {
    const { outcomes, written } = await this.#write(requests, { groups });
    const synced = durability === "always" || !this.#batch.isEmpty;
    await this.#turns.sync(() =>
      Promise.all(written.map(async (writer) => {
        if (synced) await writer.sync();
        else writer.assertNamed();
      }))
    );
    const changes = written.map((writer) => writer.commit({ synced }));
    if (!this.#batch.isEmpty) await this.#turns.sync(() => Promise.try(() => this.#batch.clear()));
    const interval = intervalOf(durability);
    if (interval !== undefined) this.#late.add(written, interval);
    return { outcomes, changes };
  }

  /**
   * Writes the events of these requests; undoes all of it if that fails. `beside`: they will be
   * synced beside the next append.
   */
  async #write(
    requests: readonly StoreRequest[],
    { beside = false, groups }: { beside?: boolean; groups?: readonly AtomicGroup[] } = {},
  ): Promise<{ outcomes: AppendOutcome[]; written: TopicWriter[] }> {
    const touched = new Set<TopicWriter>();
    let outcomes: AppendOutcome[];
    let written: TopicWriter[];
    try {
      const now = this.#age.now();
      outcomes = appendInGroups(requests, groups, {
        store: (request) => {
          const writer = this.#topics.writerOf(this.#context, request.topic);
          touched.add(writer);
          return writer.take(request, now);
        },
        lookups: (topic) => this.#topics.writerOf(this.#context, topic).lookups(now),
      });
      written = [...touched].filter((writer) => writer.hasPending);
      // Files may be closed only when no sync of them is under way.
      const ready = written.every((writer) => this.#open.has(writer) && writer.isReady(now));
      const fresh = beside ? written.filter((writer) => !this.#beside.has(writer)) : [];
      const isFull = this.#beside.size + fresh.length > MOST_BESIDE;
      if (!ready || isFull) await this.#turns.synced();
      if (isFull) this.#closeBeside();
      await this.#context.checkpoint.strikeOff(written.map(({ view }) => view.name));
      for (const writer of written) this.#use(writer, now);
      if (beside) this.#prepareBeside(written);
      if (groups) await this.#record(spreadOver(requests, { groups, outcomes }));
      for (const writer of written) writer.write();
    } catch (error) {
      this.#takeBack(touched);
      throw this.#turns.fault(error);
    } finally {
      this.#context.rooms.reset();
    }
    return { outcomes, written };
  }

  /** Records what is about to be written to these topics, which all get it or none. */
  async #record(topics: ReadonlySet<string>): Promise<void> {
    if (topics.size === 0) return;
    const writers = [...topics].map((topic) => this.#topics.writerOf(this.#context, topic));
    // The record continues from what is there: that must not be lost any more.
    await this.#turns.sync(() =>
      Promise.try(() => {
        for (const writer of writers) if (!writer.isSynced) writer.flush();
      })
    );
    await this.#batch.write(writers.map(({ taken }) => taken));
  }

  #prepareBeside(writers: readonly TopicWriter[]): void {
    for (const writer of writers) {
      this.#beside.add(writer);
      writer.prepareBeside();
    }
  }

  #closeBeside(): void {
    for (const writer of this.#beside) writer.closeBeside();
    this.#beside.clear();
  }

  /** Makes the files of a topic ready, and closes the least recently used ones. */
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
        // Unacknowledged data is left at the end: only recovery may continue from there.
        this.#turns.fail(error);
      }
    }
    try {
      this.#batch.discard();
    } catch (error) {
      this.#turns.fail(error);
    }
  }

  #flush(writers: readonly TopicWriter[]): void {
    void this.#turns.take(() => {
      try {
        for (const writer of writers) writer.flush();
      } catch (error) {
        throw this.#turns.fail(error);
      }
    }).catch((error) => this.#onFailure?.(error)); // the next append fails, too: `#turns` has it
  }

  damage(): readonly Damage[] {
    return this.#damage.list();
  }

  acceptDamage(): void {
    this.#damage.accept();
  }

  /**
   * What is known of a topic without reading its events.
   * @internal
   */
  view(topic: string): TopicView | undefined {
    return this.#topics.get(topic);
  }

  /**
   * The same for all topics.
   * @internal
   */
  views(): PackedViews {
    return this.#topics.pack();
  }

  /** @internal */
  protected readerOf(): SyncEventReader {
    return this.#reader;
  }

  topics(): string[] {
    return this.#reader.topics();
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async seekAge(topic: string, age: number): Promise<number> {
    return this.#reader.seekStored(topic, this.#age.now() - age);
  }

  truncate(topic: string, seq: number): Promise<number> {
    return this.#turns.take(() => {
      const writer = this.#topics.writerOfKnown(this.#context, topic);
      return writer ? this.#change(() => writer.truncate(seq, this.#age.now())) : 0;
    });
  }

  redact(topic: string, request: RedactRequest): Promise<boolean> {
    return this.redactTelling(topic, request).then(({ isThere }) => isThere);
  }

  /**
   * Like {@link redact}, but returns the first seq of the segment whose files were replaced, too:
   * also that of an event that retention has deleted, and whose bytes were still in them.
   * @internal
   */
  redactTelling(
    topic: string,
    request: RedactRequest,
  ): Promise<{ replaced: number | undefined; isThere: boolean }> {
    return this.#turns.take(() => {
      const writer = this.#topics.writerOfKnown(this.#context, topic);
      const replaced = writer && this.#change(() => {
        this.#batch.scrub();
        return writer.redact(request, this.#age.now());
      });
      const isThere = replaced !== undefined && request.seq >= this.head(topic).firstSeq;
      return { replaced, isThere };
    });
  }

  raise(topic: string, lastSeq: number): Promise<void> {
    return this.#turns.take(() => {
      const lost = raisedOver(topic, this.head(topic), lastSeq);
      const writer = this.#topics.writerOf(this.#context, topic);
      this.#change(() => writer.raise(lastSeq, this.#age.now()));
      if (lost) this.#damage.tell(lost);
    });
  }

  removeTopic(topic: string): Promise<void> {
    return this.#turns.take(() => {
      const writer = this.#topics.writerOfKnown(this.#context, topic);
      if (writer) this.#change(() => writer.removeAll(this.#age.now()));
    });
  }

  #change<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#turns.fault(error);
    }
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    return Promise.resolve(this.#reader.getEvents(topic, options).map((stored) => toEvent(stored)));
  }

  /**
   * What a backup reads from.
   * @internal
   */
  kept(): KeptFiles {
    const writer = (topic: string) => this.#topics.writerOf(this.#context, topic);
    const clocks = { clock: this.#clock, age: this.#age };
    return { reader: this.#reader, topics: this.#topics, writer, ...clocks };
  }

  /** Syncs pending data and releases the folder. After a failure nothing more is written. */
  async close(): Promise<void> {
    if (!await this.#turns.close()) return;
    this.#late.cancel();
    try {
      for (const writer of this.#open) {
        if (this.#turns.failed === undefined) writer.close();
        else writer.abandon();
      }
      const many = this.#topics.size > this.#lookAtMost;
      if (many && this.#turns.failed === undefined) this.#opened.checkpoint.write(this.views());
    } finally {
      this.#batch.close();
      this.#opened.checkpoint.close();
      this.#cache.close();
      this.#opened.lock.close();
    }
  }
}

/** The topics of groups that have something to store in more than one. */
function spreadOver(
  requests: readonly StoreRequest[],
  { groups, outcomes }: {
    groups: readonly AtomicGroup[];
    outcomes: readonly AppendOutcome[];
  },
): Set<string> {
  const all = new Set<string>();
  for (const { from, to } of groups) {
    const topics = new Set<string>();
    for (let i = from; i < to; i++) {
      const outcome = outcomes[i]!;
      if (outcome.ok && outcome.count > 0) topics.add(requests[i]!.topic);
    }
    if (topics.size > 1) { for (const topic of topics) all.add(topic); }
  }
  return all;
}
