/**
 * Looks up the seq of a given id and the last seq of a key. For the open segment this is held in
 * memory, built from its lines on first use; for a full segment it is in the table file beside it.
 * So memory does not grow with the topic. An open segment may have a million ids: all but the
 * latest are held as hashes, an eighth of the size of the strings. A given id must outlive its
 * event until the dedup window ends, so the table of a segment that retention deleted is kept that
 * long. For those events only the hash can be compared.
 */
import type { StoredEvent } from "../../event/event.ts";
import { type Disk, readWhole, removeIfThere, replaceFile } from "./disk.ts";
import { hash } from "../../base/key_hash.ts";
import type { KeyedEvent, SegmentKeys } from "./key_counts.ts";
import { segmentFile, topicFolder } from "./layout.ts";
import {
  column,
  decodeTable,
  encodeTable,
  hashesIn,
  type LookupEntry,
  type LookupTable,
  makeTable,
  search,
  storedAtOf,
} from "./lookup_table.ts";
import type { FileReader } from "./reader.ts";
import { indexOfSeq, type SegmentInfo, type TopicView } from "./view.ts";

/** Tables held in memory per topic. */
const MOST_TABLES = 64;

/** Given ids of the open segment that are held as strings; older ones become hashes. */
const MOST_TEXTS = 16_384;

/** What a lookup needs. */
export interface LookupContext {
  disk: Disk;
  dir: string;
  reader: FileReader;
  /** The topic as it is now. */
  view: () => TopicView;
  dedupWindow: number;
  /** Deleted segments whose table is still there. */
  orphans: readonly number[];
}

/** The lookups of one topic. */
export class TopicLookup {
  readonly #context: LookupContext;
  /** The latest ids of the open segment; built on first use. */
  #ids: Map<string, { seq: number; at: number }> | undefined;
  /** The earlier ones of the open segment. */
  #hashed: Uint32Array[] = [];
  #keys: Map<string, number> | undefined;
  readonly #tables = new Map<number, LookupTable>();
  readonly #orphans: Set<number>;

  constructor(context: LookupContext) {
    this.#context = context;
    this.#orphans = new Set(context.orphans);
  }

  /** The seq of a given id that was stored after `since` (Unix ms). */
  seqOfGivenId(id: string, since: number): number | undefined {
    const { view, reader } = this.#context;
    const recent = (this.#ids ??= this.#openIds()).get(id);
    if (recent) return recent.at > since ? recent.seq : undefined;
    const { name, segments, firstSeq } = view();
    for (const segment of segments.toReversed()) {
      if (segment.storedAt <= since) continue;
      const tables = segment.sealed ? [this.#table(segment).ids] : this.#hashed;
      for (const seq of tables.flatMap((table) => search(table, segment.firstSeq, id))) {
        const blocks = reader.blocks(name, segment);
        const block = blocks[indexOfSeq(blocks, seq)];
        if (!block || block.storedAt <= since) continue;
        // Events that retention deleted can no longer be compared.
        if (seq < firstSeq || this.#event(seq)?.id === id) return seq;
      }
    }
    for (const orphan of this.#orphans) {
      const table = this.#written(orphan);
      if (!table || table.storedAt <= since) continue;
      const seqs = search(table.ids, orphan, id);
      const seq = seqs.find((seq) => storedAtOf(table, seq) > since);
      if (seq !== undefined) return seq;
    }
    return undefined;
  }

  /** The newest event of each key in each segment from `from` on, and what is lost of it. */
  *keysFrom(from: number): Generator<SegmentKeys> {
    const { name, segments, firstSeq, lastSeq } = this.#context.view();
    let next = Math.max(from, firstSeq);
    for (const segment of segments) {
      if (segment.lastSeq < from) continue;
      const gap = segment.firstSeq > next ? segment.firstSeq - 1 : 0;
      next = Math.max(next, segment.lastSeq + 1);
      const { keyed, lost } = this.#keysOf(name, segment, from);
      yield { keyed, lost: Math.max(gap, lost) };
    }
    if (next <= lastSeq) yield { keyed: [], lost: lastSeq };
  }

  #keysOf(name: string, segment: SegmentInfo, from: number): SegmentKeys {
    const { reader } = this.#context;
    const keys = new Map<string, KeyedEvent>();
    let lost = 0;
    for (const block of reader.blocks(name, segment)) {
      const { damaged, firstSeq, count } = block;
      if (firstSeq + count <= from || !damaged && (segment.sealed || !block.keyed)) continue;
      const events = damaged ? [] : reader.blockEvents(name, segment, block);
      if (events.length === 0) lost = firstSeq + count - 1;
      for (const { seq, key, keySeq = seq } of events) {
        if (seq < from || key === undefined) continue;
        const [high, low] = hash(key);
        keys.set(key, { high, low, seq, keySeq });
      }
    }
    if (!segment.sealed) return { keyed: [...keys.values()], lost };
    const keyed = hashesIn(this.#table(segment).keys, segment.firstSeq)
      .flatMap(({ high, low, seq }) => seq < from ? [] : { high, low, seq, keySeq: seq });
    return { keyed, lost };
  }

  /** The number of an event within its key; 0 if it has none. */
  keySeqAt(seq: number): number {
    return this.#event(seq)?.keySeq ?? 0;
  }

  /** The last seq of a key; 0 if no event with it is left. */
  lastSeqOfKey(key: string): number {
    const { segments, firstSeq } = this.#context.view();
    const recent = (this.#keys ??= this.#openKeys()).get(key);
    if (recent !== undefined) return recent >= firstSeq ? recent : 0;
    for (const segment of segments.toReversed()) {
      if (!segment.sealed) continue;
      for (const seq of search(this.#table(segment).keys, segment.firstSeq, key)) {
        if (seq >= firstSeq && this.#event(seq)?.key === key) return seq;
      }
    }
    return 0;
  }

  /** Records given ids and keys that were appended to the open segment. */
  stored(ids: ReadonlyMap<string, number>, keys: ReadonlyMap<string, number>, at: number): void {
    if (this.#ids) {
      for (const [id, seq] of ids) this.#ids.set(id, { seq, at });
      this.#hash(this.#ids);
    }
    if (this.#keys) { for (const [key, seq] of keys) this.#keys.set(key, seq); }
  }

  /** The open segment is full: writes its table, unless there is nothing to look up. */
  seal(segment: SegmentInfo): void {
    const table = this.#keep(segment.firstSeq, this.#tableOf(segment));
    this.#let();
    if (table.ids.length + table.keys.length === 0) return;
    const folder = `${this.#context.dir}/${topicFolder(this.#context.view().name)}`;
    replaceFile(
      this.#context.disk,
      { folder, name: segmentFile(segment.firstSeq, "lookup") },
      encodeTable(table),
    );
  }

  /** Removes the tables of deleted segments once their ids have left the dedup window. */
  expire(now: number): void {
    const since = now - this.#context.dedupWindow;
    for (const orphan of this.#orphans) {
      if ((this.#written(orphan)?.storedAt ?? 0) <= since) this.#drop(orphan);
    }
  }

  /**
   * Called before a segment is deleted. Its given ids stay known. Returns true if its table is
   * kept.
   */
  retire(segment: SegmentInfo, now: number): boolean {
    const since = now - this.#context.dedupWindow;
    if (segment.storedAt <= since || this.#table(segment).ids.length === 0) return false;
    const isWritten = this.#context.disk.size(this.#path(segment.firstSeq)) !== undefined;
    if (!segment.sealed || !isWritten) this.seal(segment);
    this.#orphans.add(segment.firstSeq);
    return true;
  }

  /** An event of the segment has another key now: its table is made again from the lines. */
  changed(segment: SegmentInfo): void {
    this.#tables.delete(segment.firstSeq);
    if (segment.sealed) this.seal(segment);
    else this.#let();
  }

  /** Forgets everything: the whole topic is gone. Returns true if files were removed. */
  forget(): boolean {
    const removes = this.#orphans.size > 0;
    this.#let();
    for (const orphan of this.#orphans) this.#drop(orphan);
    this.#tables.clear();
    return removes;
  }

  #drop(orphan: number): void {
    this.#orphans.delete(orphan);
    this.#tables.delete(orphan);
    removeIfThere(this.#context.disk, this.#path(orphan));
  }

  #path(firstSeq: number): string {
    const { dir, view } = this.#context;
    return `${dir}/${topicFolder(view().name)}/${segmentFile(firstSeq, "lookup")}`;
  }

  /** Drops the in-memory lookups of the open segment. */
  #let(): void {
    this.#ids = this.#keys = undefined;
    this.#hashed = [];
  }

  #openIds(): Map<string, { seq: number; at: number }> {
    const ids = new Map<string, { seq: number; at: number }>();
    for (const { event, at } of this.#openEvents("given")) {
      ids.set(event.id, { seq: event.seq, at });
      this.#hash(ids);
    }
    return ids;
  }

  /** Replaces strings by hashes once there are many. */
  #hash(ids: Map<string, { seq: number; at: number }>): void {
    const open = this.#context.view().segments.at(-1);
    if (ids.size < MOST_TEXTS || !open) return;
    const entries = Array.from(ids, ([id, { seq }]): LookupEntry => [id, seq]);
    this.#hashed.push(column(open.firstSeq, entries));
    ids.clear();
  }

  #openKeys(): Map<string, number> {
    const keys = new Map<string, number>();
    for (const { event } of this.#openEvents("keyed")) {
      if (event.key !== undefined) keys.set(event.key, event.seq);
    }
    return keys;
  }

  #openEvents(which: "given" | "keyed"): Generator<{ event: StoredEvent; at: number }> | [] {
    const open = this.#context.view().segments.at(-1);
    return open && !open.sealed ? this.#events(open, which) : [];
  }

  *#events(segment: SegmentInfo, which: "given" | "keyed") {
    const { reader, view } = this.#context;
    const { name } = view();
    for (const block of reader.blocks(name, segment)) {
      if (!block[which]) continue;
      for (const event of reader.blockEvents(name, segment, block)) {
        yield { event, at: block.storedAt };
      }
    }
  }

  #tableOf(segment: SegmentInfo): LookupTable {
    const ids: LookupEntry[] = [];
    for (const { event } of this.#events(segment, "given")) ids.push([event.id, event.seq]);
    const keys = new Map<string, number>();
    for (const { event } of this.#events(segment, "keyed")) {
      if (event.key !== undefined) keys.set(event.key, event.seq);
    }
    const { reader, view } = this.#context;
    const blocks = reader.blocks(view().name, segment).filter(({ given }) => given);
    return makeTable(segment, { ids, keys: [...keys], blocks });
  }

  #table(segment: SegmentInfo): LookupTable {
    const written = segment.sealed ? this.#written(segment.firstSeq) : undefined;
    // There is no file if there was nothing to look up. A lost or damaged one is rebuilt from the
    // lines.
    return written ?? this.#keep(segment.firstSeq, this.#tableOf(segment));
  }

  #written(firstSeq: number): LookupTable | undefined {
    const held = this.#tables.get(firstSeq);
    if (held) return held;
    const bytes = readWhole(this.#context.disk, this.#path(firstSeq));
    const table = bytes && decodeTable(bytes);
    return table && this.#keep(firstSeq, table);
  }

  #keep(firstSeq: number, table: LookupTable): LookupTable {
    this.#tables.set(firstSeq, table);
    for (const oldest of this.#tables.keys()) {
      if (this.#tables.size <= MOST_TABLES) break;
      this.#tables.delete(oldest);
    }
    return table;
  }

  #event(seq: number): StoredEvent | undefined {
    const { reader, view } = this.#context;
    return reader.readPage(view().name, { from: seq, to: seq, limit: 1 }).events[0];
  }
}
