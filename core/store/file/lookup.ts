/**
 * Which seq a given id got, and the last seq of a key. Of the segment that is appended to it is
 * held in memory, made from its lines when it is first asked for; of a full one it lies in the
 * table beside it. So what is held does not grow with the topic. The ids of an open segment may be
 * a million: all but the latest are held as hashes, an eighth of what texts take. A given id
 * outlives its event until it is no longer looked up: the table of a segment that retention took
 * stays so long, and there its hash is all that can be compared.
 */
import type { StoredEvent } from "../../event/event.ts";
import { type Disk, readWhole, removeIfThere, replaceFile } from "./disk.ts";
import { segmentFile, topicFolder } from "./layout.ts";
import {
  column,
  decodeTable,
  encodeTable,
  type LookupEntry,
  type LookupTable,
  makeTable,
  search,
} from "./lookup_table.ts";
import type { FileReader } from "./reader.ts";
import { indexOfSeq, type SegmentInfo, type TopicView } from "./view.ts";

/** Tables of one topic that are held. */
const MOST_TABLES = 64;

/** The latest given ids of the open segment that are held as they are. */
const MOST_TEXTS = 16_384;

/** What a lookup is made on. */
export interface LookupContext {
  disk: Disk;
  dir: string;
  reader: FileReader;
  /** The topic as it is now. */
  view: () => TopicView;
  dedupWindow: number;
  /** Segments that are gone and left a table. */
  orphans: readonly number[];
}

/** The lookups of one topic. */
export class TopicLookup {
  readonly #context: LookupContext;
  /** The latest of the open segment; undefined until somebody asks. */
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
        // What retention took can no longer be compared.
        if (seq < firstSeq || this.#event(seq)?.id === id) return seq;
      }
    }
    for (const orphan of this.#orphans) {
      const table = this.#written(orphan);
      const [seq] = table && table.storedAt > since ? search(table.ids, orphan, id) : [];
      if (seq !== undefined) return seq;
    }
    return undefined;
  }

  /** The last seq of a key; 0 when it has none that is still there. */
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

  /** These given ids and keys have become part of the open segment. */
  stored(ids: ReadonlyMap<string, number>, keys: ReadonlyMap<string, number>, at: number): void {
    if (this.#ids) {
      for (const [id, seq] of ids) this.#ids.set(id, { seq, at });
      this.#hash(this.#ids);
    }
    if (this.#keys) { for (const [key, seq] of keys) this.#keys.set(key, seq); }
  }

  /** The open segment is full: writes its table, if it has anything to look up. */
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

  /** Removes the tables of segments that are gone whose ids are no longer looked up. */
  expire(now: number): void {
    const since = now - this.#context.dedupWindow;
    for (const orphan of this.#orphans) {
      if ((this.#written(orphan)?.storedAt ?? 0) <= since) this.#drop(orphan);
    }
  }

  /** A segment is about to go; its given ids stay known. Tells whether its table stays. */
  retire(segment: SegmentInfo, now: number): boolean {
    const since = now - this.#context.dedupWindow;
    if (segment.storedAt <= since || this.#table(segment).ids.length === 0) return false;
    if (!segment.sealed) this.seal(segment);
    this.#orphans.add(segment.firstSeq);
    return true;
  }

  /** All of the topic is gone, and nothing of it is known any more. */
  forget(): void {
    this.#let();
    for (const orphan of this.#orphans) this.#drop(orphan);
    this.#tables.clear();
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

  /** Lets go of what is held of the open segment. */
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

  /** Turns texts into hashes when they are many. */
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
    return makeTable(segment, ids, [...keys]);
  }

  #table(segment: SegmentInfo): LookupTable {
    const written = segment.sealed ? this.#written(segment.firstSeq) : undefined;
    // None is written where there is nothing to look up; one that is lost or damaged is made again
    // from the lines.
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
