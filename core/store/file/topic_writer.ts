/**
 * Appends to one topic: decides what is stored (core/store/append.ts), writes it, and commits it
 * once it is synced. One append at a time, in three steps that the store runs for all topics
 * together: {@link TopicWriter.take}, {@link TopicWriter.write}, then {@link TopicWriter.commit} or
 * {@link TopicWriter.rollback}.
 */
import type { NewEvent } from "../../event/event.ts";
import { decideAppend } from "../append.ts";
import type { TopicLookups } from "../atomic_group.ts";
import type { BatchSection } from "./batch_record.ts";
import { isPacked, type StoreRequest, takesAll } from "../pack.ts";
import type { LineRooms } from "../packed_lines.ts";
import type { Found } from "../damage.ts";
import type { AppendOutcome, RedactRequest } from "../store.ts";
import { ActiveSegment, type KnownSegment, writeIndex } from "./active_segment.ts";
import { blockSummary, type IndexBlock, SLOT } from "./block.ts";
import type { Disk } from "./disk.ts";
import { topicFolder } from "./layout.ts";
import { type KeyCounts, KeyNumbers } from "../key_seqs.ts";
import { FileKeyCounts } from "./key_counts.ts";
import { TopicLookup } from "./lookup.ts";
import { type Head, writeHead } from "./head.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type OpenedTopic, openTopic, removeSegment } from "./open_topic.ts";
import type { FileReader } from "./reader.ts";
import { newPending, note, type Pending, sizeOfRuns, takePacked } from "./pending.ts";
import { type Run, runsOf } from "./run.ts";
import { planReplacement, replaceLine } from "./redact_segment.ts";
import type { SegmentCache } from "./segment_cache.ts";
import {
  emptySegment,
  grow,
  indexOfSeq,
  type SegmentInfo,
  type TopicChange,
  type TopicView,
} from "./view.ts";

/** When a segment is full. */
export interface SegmentLimits {
  /** Bytes. */
  maxBytes: number;
  /** Milliseconds since its first event. */
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
  /** Called with a message for each repair. */
  onNote: (note: string) => void;
  /** Called for events that were found to be missing. */
  onLost: (found: Found) => void;
}

/** Most bytes of slots in an open segment: a start reads all of them. */
const MOST_SLOT_BYTES = 16 * 1024 * 1024;
/** Most events per segment, which a lookup table can hold. */
const MOST_EVENTS = 2 ** 20;

/** Appends to one topic. */
export class TopicWriter {
  view: TopicView;
  readonly #context: WriterContext;
  readonly #folder: string;
  #lookup: TopicLookup;
  #counts: FileKeyCounts;
  /** The view comes from the checkpoint; the folder has not been read. */
  #unseen = false;
  #known: KnownSegment | undefined;
  #active: ActiveSegment | undefined;
  #openedAt = 0;
  #pending: Pending | undefined;
  /** A file in the folder was created or renamed and is not synced yet. */
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
    this.#counts = this.#newCounts();
  }

  #newCounts(): FileKeyCounts {
    const { disk, onNote } = this.#context;
    return new FileKeyCounts({
      disk,
      onNote,
      folder: this.#folder,
      view: () => this.view,
      keysFrom: (seq) => this.#lookup.keysFrom(seq),
    });
  }

  /** A topic known from the checkpoint: its folder is read before the first write. */
  static unseen(context: WriterContext, view: TopicView): TopicWriter {
    const writer = new TopicWriter(context, { view, open: undefined, orphans: [] });
    writer.#unseen = true;
    return writer;
  }

  /** Reads the folder, unless that was done. */
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
    this.#counts = this.#newCounts();
    this.measure();
    for (const note of opened.notes) this.#context.onNote(`topic ${name}: ${note}`);
    for (const found of opened.lost) this.#context.onLost(found);
  }

  /** Counts the bytes of a topic that was just opened. */
  measure(): void {
    const bytes = this.#context.reader.bytesFrom(this.view, this.view.firstSeq);
    this.view = { ...this.view, bytes };
  }

  /** Decides a request; its events wait for {@link write}. */
  take(request: StoreRequest, now: number): AppendOutcome {
    this.#look(now);
    // A request that stored nothing leaves nothing: what comes later is stored later.
    const pending = this.hasPending ? this.#pending! : newPending(this.view.lastSeq, now);
    this.#pending = pending;
    if (isPacked(request) && takesAll(request)) {
      const { keys, count } = request;
      const keySeqs = keys === undefined
        ? undefined
        : new KeyNumbers(this.lookups(now)).column(keys, count);
      return takePacked(request, pending, { rooms: this.#context.rooms, keySeqs });
    }
    const events: NewEvent[] = [];
    const outcome = decideAppend(request, {
      ...this.lookups(now),
      store: (seq, event) => {
        events.push(event);
        note(pending, event, seq);
      },
    });
    if (outcome.ok && outcome.count > 0) {
      pending.runs.push(...runsOf(this.view.name, outcome.firstSeq, events));
      pending.lastSeq = outcome.lastSeq;
    }
    return outcome;
  }

  /** What is known of the topic, including what {@link take} has queued. */
  lookups(now: number): TopicLookups & KeyCounts {
    this.#look(now);
    const pending = this.#pending;
    const since = now - this.#context.dedupWindow;
    return {
      lastSeq: pending?.lastSeq ?? this.view.lastSeq,
      lastSeqOfKey: (key) => pending?.keys.get(key) ?? this.#lookup.lastSeqOfKey(key),
      seqOfGivenId: (id) => pending?.ids.get(id) ?? this.#lookup.seqOfGivenId(id, since),
      keySeqOfKey: (key) => pending?.keySeqs.get(key) ?? this.#counts.of(key),
      keySeqAt: (seq) => pending?.keySeqsAt.get(seq) ?? this.#lookup.keySeqAt(seq),
      firstSeq: this.view.firstSeq,
    };
  }

  /** The lines that {@link take} has queued. */
  get taken(): { topic: string; runs: readonly Run[] } {
    return { topic: this.view.name, runs: this.#pending?.runs ?? [] };
  }

  /**
   * Stores the events of a recorded batch that a crash kept from this topic, and syncs them.
   * Returns how many there were.
   */
  complete({ firstSeq, events }: BatchSection, now: number): number {
    this.#look(now);
    const { name, lastSeq } = this.view;
    const missing = events.slice(lastSeq + 1 - firstSeq);
    // Before the record everything was synced: a gap is damage, which others report.
    if (firstSeq > lastSeq + 1 || missing.length === 0) return 0;
    this.#context.checkpoint.strike(name);
    this.#context.checkpoint.syncNow();
    const pending = this.#pending = newPending(lastSeq + missing.length, now);
    pending.runs = runsOf(name, lastSeq + 1, missing);
    missing.forEach((event, i) => note(pending, event, lastSeq + 1 + i));
    this.prepare(now);
    this.write();
    this.#syncFolder();
    this.#active!.syncNow();
    this.commit({ synced: true });
    this.close();
    return missing.length;
  }

  /** True if {@link take} has queued events. */
  get hasPending(): boolean {
    return this.#pending !== undefined && this.#pending.runs.length > 0;
  }

  /** True if {@link prepare} would have nothing to do. */
  isReady(now: number): boolean {
    return this.#active !== undefined && !this.#isFull(now);
  }

  /** Prepares the segment for the next append: seals a full one and creates a new one. */
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
    // The head comes last: if a crash comes between, a segment that never existed is not missed.
    this.#syncFolder();
    const { firstSeq: kept, lastSeq } = this.view;
    writeHead(disk, this.#folder, { firstSeq: kept, lastSeq, newest: firstSeq });
  }

  /**
   * Seqs up to `seq` were assigned, whatever is left of their events: the next event comes after
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
    this.#known = this.#pending = undefined;
    const isEmpty = segments.every((segment) => segment.lastSeq < segment.firstSeq);
    if (disk.makeFolder(this.#folder)) disk.syncFolder(dir);
    this.#counts.lost(seq);
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

  /** Resolves when everything written is synced, including the file's name. */
  async sync(): Promise<void> {
    this.#syncFolder();
    await this.#active!.sync();
    this.assertNamed();
  }

  /** Opens what {@link syncBeside} needs. Before anything is written, because it may fail. */
  prepareBeside(): void {
    this.#active!.prepareBeside();
  }

  /** Closes it. No such sync may be under way. */
  closeBeside(): void {
    this.#active?.closeBeside();
  }

  /**
   * Resolves when everything committed so far is synced. The next append may be written meanwhile
   * if the topic {@link isReady}.
   */
  async syncBeside(): Promise<void> {
    this.#syncFolder();
    await this.#active!.syncBeside();
    this.assertNamed();
  }

  /** Throws if the files were deleted or replaced. */
  assertNamed(): void {
    this.#active!.assertNamed();
  }

  #syncFolder(): void {
    if (this.#folderIsNew) this.#context.disk.syncFolder(this.#folder);
    this.#folderIsNew = false;
  }

  /** Makes what was written count. */
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
    this.#counts.stored(pending.keySeqs);
    return { view: this.view, blocks };
  }

  /** Discards what was taken and undoes its write. */
  rollback(): void {
    this.#pending = undefined;
    this.#active?.rollback();
  }

  /** Removes the events below `seq`; returns how many. */
  truncate(seq: number, now: number): number {
    this.#look(now);
    const { firstSeq, lastSeq, segments, name } = this.view;
    const to = Math.min(seq, lastSeq + 1);
    if (to <= firstSeq) return 0;
    const { disk, cache, reader, checkpoint } = this.#context;
    checkpoint.strike(name);
    checkpoint.syncNow();
    // The head becomes durable, so the events it depends on must be too.
    this.flush();
    const kept = segments.filter((segment) => segment.lastSeq >= to || segment.firstSeq > lastSeq);
    const gone = segments.filter((segment) => !kept.includes(segment));
    const keyed = gone.findLast((segment) => this.#isKeyed(segment));
    if (keyed && to <= lastSeq) this.#counts.include(keyed.lastSeq);
    this.#lookup.expire(now);
    const tables = new Set(gone.filter((segment) => this.#lookup.retire(segment, now)));
    writeHead(disk, this.#folder, { firstSeq: to, lastSeq, newest: kept.at(-1)?.firstSeq });
    this.view = {
      ...this.view,
      firstSeq: to,
      bytes: reader.bytesFrom({ ...this.view, segments: kept }, to),
      segments: kept,
    };
    if (kept.length === 0) {
      // An empty segment's name carries the next seq, so that no seq is reused even if the head is
      // lost.
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

  #isKeyed(segment: SegmentInfo): boolean {
    return this.#context.reader.blocks(this.view.name, segment).some(({ keyed }) => keyed);
  }

  /**
   * Replaces the content of an event; returns the first seq of its segment, if it is there. One that
   * retention has deleted is there until its whole segment is removed.
   */
  redact(request: RedactRequest, now: number): number | undefined {
    this.#look(now);
    const { name, segments } = this.view;
    const place = indexOfSeq(segments, request.seq);
    const segment = segments[place];
    if (!segment || request.seq > segment.lastSeq) return undefined;
    const { disk, reader, cache, checkpoint } = this.#context;
    const blocks = reader.blocks(name, segment);
    const at = indexOfSeq(blocks, request.seq);
    const bytes = blocks[at] && reader.blockBytes(name, segment, blocks[at]);
    const line = bytes && planReplacement(blocks, { at, bytes }, request);
    if (!line) return undefined;
    checkpoint.strike(name);
    checkpoint.syncNow();
    const { firstSeq, sealed } = segment;
    if (blocks[at]!.keyed) {
      this.flush();
      this.#counts.keep(this.view.lastSeq + 1);
    }
    if (!sealed) this.close();
    replaceLine(disk, this.#folder, { firstSeq, sealed, now, end: segment.end, line });
    cache.forget(name, firstSeq);
    const { end, size } = blockSummary(line.blocks);
    if (!sealed) this.#known = knownOf(firstSeq, line.blocks);
    const changed = { ...segment, end, size };
    this.view = { ...this.view, segments: segments.with(place, changed) };
    this.measure();
    this.#lookup.changed(changed);
    return firstSeq;
  }

  /** Removes all events; the last seq stays known. */
  removeAll(now: number): void {
    this.truncate(this.view.lastSeq + 1, now);
    // A power cut must not bring back its ids: what is published again would count as stored.
    if (this.#lookup.forget()) this.#context.disk.syncFolder(this.#folder);
    // Its keys are numbered as after a restart.
    this.#counts = this.#newCounts();
  }

  /** Length of the open segment; some of it may not be synced yet. */
  get end(): number {
    return this.#active?.end ?? 0;
  }

  /** True if {@link flush} would have nothing to do. */
  get isSynced(): boolean {
    return this.#active === undefined || this.#active.isSynced;
  }

  /** Syncs everything written so far. */
  flush(): void {
    const active = this.#active;
    if (!active) return;
    this.#syncFolder();
    active.syncNow();
    active.synced(active.end);
  }

  /** Syncs its files, records in the index that they are synced, and closes them. */
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

  /** Closes its files without syncing: the store is no longer trusted. */
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
    if (this.#isKeyed(open)) this.#counts.keep(open.lastSeq + 1);
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
    this.#counts.forget();
  }
}

/** An open segment whose index was written anew. */
function knownOf(firstSeq: number, blocks: readonly IndexBlock[]): KnownSegment {
  const { end } = blockSummary(blocks);
  const slots = blocks.length + 1;
  return { firstSeq, end, last: blocks.at(-1), slots, syncedEnd: end, ours: false };
}
