/**
 * Appends to one topic: decides what is stored (core/store/append.ts), writes it, and makes it
 * count once it is synced. One append at a time, in three steps that the store takes for all topics
 * together: {@link TopicWriter.take}, {@link TopicWriter.write}, then {@link TopicWriter.commit} or
 * {@link TopicWriter.rollback}.
 */
import type { NewEvent } from "../../event/event.ts";
import { decideAppend } from "../append.ts";
import { isPacked, type PackedRequest, type StoreRequest, takesAll } from "../pack.ts";
import type { LineRooms } from "../packed_lines.ts";
import type { Found } from "../damage.ts";
import type { AppendOutcome } from "../store.ts";
import { ActiveSegment, type KnownSegment, writeIndex } from "./active_segment.ts";
import { type IndexBlock, SLOT } from "./block.ts";
import type { Disk } from "./disk.ts";
import { topicFolder } from "./layout.ts";
import { TopicLookup } from "./lookup.ts";
import { type Head, writeHead } from "./head.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type OpenedTopic, openTopic, removeSegment } from "./open_topic.ts";
import type { FileReader } from "./reader.ts";
import { packedRun, type Run, runsOf } from "./run.ts";
import type { SegmentCache } from "./segment_cache.ts";
import type { SegmentInfo, TopicChange, TopicView } from "./view.ts";

/** When a segment is full. */
export interface SegmentLimits {
  /** Bytes. */
  maxBytes: number;
  /** Since its first event, ms. */
  maxAge: number;
}

/** What all topics of a store share. */
export interface WriterContext {
  disk: Disk;
  dir: string;
  reader: FileReader;
  cache: SegmentCache;
  limits: SegmentLimits;
  /** Memory for the lines of an append. */
  rooms: LineRooms;
  dedupWindow: number;
  checkpoint: Checkpoint;
  /** Told what was repaired, in words. */
  onNote: (note: string) => void;
  /** Told of events that were found to be gone. */
  onLost: (found: Found) => void;
}

/** The most bytes of slots in an open segment: what a start reads of it. */
const MOST_SLOT_BYTES = 16 * 1024 * 1024;
/** The most events of a segment: what a lookup table counts to. */
const MOST_EVENTS = 2 ** 20;

interface Pending {
  runs: Run[];
  lastSeq: number;
  ids: Map<string, number>;
  keys: Map<string, number>;
  now: number;
}

/** Appends to one topic. */
export class TopicWriter {
  view: TopicView;
  readonly #context: WriterContext;
  readonly #folder: string;
  #lookup: TopicLookup;
  /** The checkpoint's word was taken for it. */
  #unseen = false;
  #known: KnownSegment | undefined;
  #active: ActiveSegment | undefined;
  #openedAt = 0;
  #pending: Pending | undefined;
  /** Something in the folder was made or renamed and is not synced yet. */
  #folderIsNew = false;

  constructor(
    context: WriterContext,
    { view, open, orphans }: Pick<OpenedTopic, "view" | "open" | "orphans">,
  ) {
    this.#context = context;
    this.view = view;
    this.#known = open;
    this.#folder = `${context.dir}/${topicFolder(view.name)}`;
    this.#lookup = new TopicLookup({ ...context, orphans, view: () => this.view });
  }

  /** A topic of which the checkpoint's word is taken: looked at when it is first written to. */
  static unseen(context: WriterContext, view: TopicView): TopicWriter {
    const writer = new TopicWriter(context, { view, open: undefined, orphans: [] });
    writer.#unseen = true;
    return writer;
  }

  /** Looks at what is in the folder, unless that was done. */
  #look(now: number): void {
    if (!this.#unseen) return;
    const { name, lastSeq } = this.view;
    const place = { name, folder: this.#folder };
    const opened = openTopic(this.#context.disk, place, { now, floor: lastSeq });
    this.#unseen = false;
    this.view = opened.view;
    this.#known = opened.open;
    const { orphans } = opened;
    this.#lookup = new TopicLookup({ ...this.#context, orphans, view: () => this.view });
    this.measure();
    for (const note of opened.notes) this.#context.onNote(`topic ${name}: ${note}`);
    for (const found of opened.lost) this.#context.onLost(found);
  }

  /** Counts the bytes of a topic that was just opened. */
  measure(): void {
    const bytes = this.#context.reader.bytesFrom(this.view, this.view.firstSeq);
    this.view = { ...this.view, bytes };
  }

  /** Decides a request; what it stores waits for {@link write}. */
  take(request: StoreRequest, now: number): AppendOutcome {
    this.#look(now);
    const pending: Pending = this.#pending ??= {
      runs: [],
      lastSeq: this.view.lastSeq,
      ids: new Map(),
      keys: new Map(),
      now,
    };
    if (isPacked(request) && takesAll(request)) {
      return takePacked(request, pending, this.#context);
    }
    const since = now - this.#context.dedupWindow;
    const events: NewEvent[] = [];
    const outcome = decideAppend(request, {
      lastSeq: pending.lastSeq,
      lastSeqOfKey: (key) => pending.keys.get(key) ?? this.#lookup.lastSeqOfKey(key),
      seqOfGivenId: (id) => pending.ids.get(id) ?? this.#lookup.seqOfGivenId(id, since),
      store: (seq, event) => {
        events.push(event);
        if (event.idGiven) pending.ids.set(event.id, seq);
        if (event.key !== undefined) pending.keys.set(event.key, seq);
      },
    });
    if (outcome.ok && outcome.count > 0) {
      pending.runs.push(...runsOf(this.view.name, outcome.firstSeq, events));
      pending.lastSeq = outcome.lastSeq;
    }
    return outcome;
  }

  /** True when {@link take} took something. */
  get hasPending(): boolean {
    return this.#pending !== undefined && this.#pending.runs.length > 0;
  }

  /** True where {@link prepare} has nothing to do. */
  isReady(now: number): boolean {
    return this.#active !== undefined && !this.#isFull(now);
  }

  /**
   * Makes the segment ready that the next append goes to: a full one is closed and a new one made.
   */
  prepare(now: number): void {
    this.#sealIfFull(now);
    if (this.#active) return;
    const { disk, dir } = this.#context;
    if (this.#known) {
      this.#active = ActiveSegment.open(disk, this.#folder, this.#known);
      this.#known = undefined;
      this.#openedAt = now;
      return;
    }
    if (disk.makeFolder(this.#folder)) disk.syncFolder(dir);
    const firstSeq = this.view.lastSeq + 1;
    this.#active = ActiveSegment.create(disk, this.#folder, { firstSeq, now });
    this.#openedAt = now;
    this.#folderIsNew = true;
    const isFirst = this.view.segments.length === 0;
    this.view = { ...this.view, segments: [...this.view.segments, emptySegment(firstSeq)] };
    if (isFirst) return;
    // Behind it: should a crash come between, a segment that was never there is not missed.
    this.#syncFolder();
    const { firstSeq: kept, lastSeq } = this.view;
    writeHead(disk, this.#folder, { firstSeq: kept, lastSeq, newest: firstSeq });
  }

  /**
   * Numbers up to `seq` were given, whatever is left of their events: what comes next goes behind
   * them.
   */
  raise(seq: number, now: number): void {
    this.#look(now);
    const { name, firstSeq, lastSeq, segments } = this.view;
    if (seq <= lastSeq) return;
    const { disk, dir, checkpoint } = this.#context;
    checkpoint.strike(name);
    checkpoint.syncNow();
    this.close();
    this.#known = undefined;
    const isEmpty = segments.every((segment) => segment.lastSeq < segment.firstSeq);
    if (disk.makeFolder(this.#folder)) disk.syncFolder(dir);
    const head: Head = { firstSeq: isEmpty ? seq + 1 : firstSeq, lastSeq: seq };
    writeHead(disk, this.#folder, head);
    const sealed = segments.map((segment) => ({ ...segment, sealed: true }));
    this.view = { ...this.view, ...head, segments: sealed };
  }

  /** Writes what was taken. */
  write(): void {
    const pending = this.#pending!;
    this.#active!.write(pending.runs, pending.now);
  }

  /** Resolves when it is synced, and the file's name with it. */
  async sync(): Promise<void> {
    this.#syncFolder();
    await this.#active!.sync();
    this.assertNamed();
  }

  /** Takes what {@link syncBeside} needs, while nothing is written yet: it may fail. */
  prepareBeside(): void {
    this.#active!.prepareBeside();
  }

  /** Gives it back. No such sync is under way. */
  closeBeside(): void {
    this.#active?.closeBeside();
  }

  /**
   * Resolves when what counts now is synced. An append may be written meanwhile where the topic
   * {@link isReady}.
   */
  async syncBeside(): Promise<void> {
    this.#syncFolder();
    await this.#active!.syncBeside();
    this.assertNamed();
  }

  /** Throws where what was written would not be found again. */
  assertNamed(): void {
    this.#active!.assertNamed();
  }

  #syncFolder(): void {
    if (this.#folderIsNew) this.#context.disk.syncFolder(this.#folder);
    this.#folderIsNew = false;
  }

  /** What was written counts. */
  commit(options: { synced: boolean }): TopicChange {
    const pending = this.#pending!;
    this.#pending = undefined;
    const blocks = this.#active!.commit(options);
    const { segments, bytes } = this.view;
    const open = segments.at(-1)!;
    const grown = grow(open, blocks, pending.lastSeq);
    const size = sizeOfRuns(pending.runs);
    this.view = {
      ...this.view,
      lastSeq: pending.lastSeq,
      bytes: bytes + size,
      segments: [...segments.slice(0, -1), {
        ...grown,
        size: open.size + size,
      }],
    };
    this.#context.cache.learn(this.view.name, open.firstSeq, blocks);
    this.#lookup.stored(pending.ids, pending.keys, pending.now);
    return { view: this.view, blocks };
  }

  /** What was taken does not count. */
  rollback(): void {
    this.#pending = undefined;
    this.#active?.rollback();
  }

  /** Removes the events below `seq`; tells how many, and the topic as it is then. */
  truncate(seq: number, now: number): number {
    this.#look(now);
    const { firstSeq, lastSeq, segments, name } = this.view;
    const to = Math.min(seq, lastSeq + 1);
    if (to <= firstSeq) return 0;
    const { disk, cache, reader, checkpoint } = this.#context;
    checkpoint.strike(name);
    checkpoint.syncNow();
    // The head is durable, so what it goes by must be.
    this.flush();
    const kept = segments.filter((segment) => segment.lastSeq >= to || segment.firstSeq > lastSeq);
    const gone = segments.filter((segment) => !kept.includes(segment));
    this.#lookup.expire(now);
    const tables = new Set(gone.filter((segment) => this.#lookup.retire(segment, now)));
    const newest = kept.at(-1)?.firstSeq;
    const head: Head = { firstSeq: to, lastSeq, ...(newest === undefined ? {} : { newest }) };
    writeHead(disk, this.#folder, head);
    this.view = {
      ...this.view,
      firstSeq: to,
      bytes: reader.bytesFrom({ ...this.view, segments: kept }, to),
      segments: kept,
    };
    if (kept.length === 0) {
      // The name of an empty segment tells the next seq: should the head be lost, no number comes
      // twice.
      this.#active?.close();
      this.#active = this.#known = undefined;
      this.prepare(now);
      this.#syncFolder();
    }
    for (const segment of gone) {
      cache.forget(name, segment.firstSeq);
      removeSegment(disk, this.#folder, segment.firstSeq, { keepTable: tables.has(segment) });
    }
    return to - firstSeq;
  }

  /** Removes all events; the last seq stays known. */
  removeAll(now: number): void {
    this.truncate(this.view.lastSeq + 1, now);
    this.#lookup.forget();
  }

  /** Bytes that may not be synced yet. */
  get end(): number {
    return this.#active?.end ?? 0;
  }

  /** Syncs what was written without; then says so in the index. */
  flush(): void {
    const active = this.#active;
    if (!active) return;
    this.#syncFolder();
    active.syncNow();
    active.synced(active.end);
  }

  /** Closes its files, all synced and said to be so. */
  close(): void {
    const active = this.#active;
    if (!active) return;
    this.flush();
    active.mark();
    active.syncNow();
    this.#active = undefined;
    this.#known = active.known();
    active.close();
  }

  /** Closes its files as they are: the store is not trusted any more. */
  abandon(): void {
    this.#active?.close();
    this.#active = undefined;
  }

  #isFull(now: number): boolean {
    const open = this.view.segments.at(-1);
    if (!open || open.sealed || open.lastSeq < open.firstSeq) return false;
    const { limits } = this.#context;
    return open.end >= limits.maxBytes || now - this.#openedAt >= limits.maxAge ||
      open.lastSeq - open.firstSeq >= MOST_EVENTS ||
      (this.#active?.indexEnd ?? (this.#known?.slots ?? 0) * SLOT) >= MOST_SLOT_BYTES;
  }

  #sealIfFull(now: number): void {
    if (!this.#active || !this.#isFull(now)) return;
    const open = this.view.segments.at(-1)!;
    const { disk, reader } = this.#context;
    this.flush();
    this.#lookup.seal(open);
    writeIndex(disk, this.#folder, {
      firstSeq: open.firstSeq,
      blocks: reader.blocks(this.view.name, open),
      sealed: true,
      now,
    });
    this.#active.close();
    this.#active = this.#known = undefined;
    const segments = [...this.view.segments.slice(0, -1), { ...open, sealed: true }];
    this.view = { ...this.view, segments };
  }
}

/** What needs no look-up is stored as it is: nothing is made for a single event. */
function takePacked(
  request: PackedRequest,
  pending: Pending,
  { rooms }: WriterContext,
): AppendOutcome {
  const { count, keys } = request;
  const firstSeq = pending.lastSeq + 1;
  const lastSeq = pending.lastSeq += count;
  pending.runs.push(packedRun(request, firstSeq, { room: rooms.next() }));
  if (typeof keys === "string") pending.keys.set(keys, lastSeq);
  else keys?.forEach((key, i) => key !== undefined && pending.keys.set(key, firstSeq + i));
  return { ok: true, count, firstSeq, lastSeq, duplicates: [] };
}

function emptySegment(firstSeq: number): SegmentInfo {
  return {
    firstSeq,
    lastSeq: firstSeq - 1,
    end: 0,
    size: 0,
    maxTimestamp: -Infinity,
    minIdTime: Infinity,
    maxIdTime: -Infinity,
    storedAt: 0,
    sealed: false,
  };
}

function grow(
  segment: SegmentInfo,
  blocks: readonly IndexBlock[],
  lastSeq: number,
): SegmentInfo {
  const grown = { ...segment, lastSeq };
  for (const block of blocks) {
    grown.end = block.end;
    grown.maxTimestamp = Math.max(grown.maxTimestamp, block.maxTimestamp);
    grown.minIdTime = Math.min(grown.minIdTime, block.minIdTime);
    grown.maxIdTime = Math.max(grown.maxIdTime, block.maxIdTime);
    grown.storedAt = Math.max(grown.storedAt, block.storedAt);
  }
  return grown;
}

function sizeOfRuns(runs: readonly Run[]): number {
  return runs.reduce((size, run) => size + run.sum(0, run.count).size, 0);
}
