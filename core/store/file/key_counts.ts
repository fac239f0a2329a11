/**
 * The last number of each key of a topic. Held as a map of the latest keys over a sorted table of
 * 64-bit hashes, 24 bytes for each other key. The file `counts` has the table as of some seq, from
 * a moment when all events before it were synced: when a segment with keys was full, and before an
 * event loses its key. What came later is found on first use, in the lines of the open segment and
 * in the lookup tables of full ones: those are from the time before keys were numbered, or the file
 * is lost. Topics without keys need none of it.
 *
 * Every number is at most the seq of its event. So an event that tells none stands for its seq, as
 * do events that are lost: the next number is one that surely no event had. For the same reason
 * keys of which nothing is left can be forgotten: they begin above all that was deleted.
 */
import { crc32 } from "../../base/checksum.ts";
import { concat } from "../../base/bytes.ts";
import { hash } from "../../base/key_hash.ts";
import { type Disk, readWhole, replaceFile } from "./disk.ts";
import { COUNTS_FILE } from "./layout.ts";

/** The newest event of a key in a segment. */
export interface KeyedEvent {
  /** The halves of the key's hash. */
  high: number;
  low: number;
  seq: number;
  /** The seq if it tells none. */
  keySeq: number;
}

/** What a segment has of keys. */
export interface SegmentKeys {
  keyed: readonly KeyedEvent[];
  /** The last seq in it, or before it, whose event is lost; 0 if none is. */
  lost: number;
}

/** What the counts of a topic need. */
export interface KeyCountsContext {
  disk: Disk;
  /** The topic's folder. */
  folder: string;
  /** The topic as it is now. */
  view(): { firstSeq: number; lastSeq: number };
  /** What the topic has from `seq` on, oldest first. */
  keysFrom(seq: number): Iterable<SegmentKeys>;
  /** Called with a message if the file is damaged. */
  onNote(note: string): void;
}

/** Sorted entries of two halves of a hash and a count. */
type Table = Float64Array<ArrayBuffer>;

const MAGIC = 0x4353_5645; // "EVSC"
const FORMAT = 1;
const HEADER = 40;
const WIDTH = 3;
/** No key is forgotten before there are so many, or twice as many as were left the last time. */
const FEWEST_TO_FORGET = 65_536;
/** Keys that are held as texts; with more, they go into the table. */
const MOST_TEXTS = 16_384;

/** The last numbers of one topic. */
export class FileKeyCounts {
  readonly #context: KeyCountsContext;
  #recent: Map<string, number> | undefined;
  #table: CountTable = EMPTY;
  /** The file has what was before this seq. */
  #savedTo = 1;
  /** How many keys were left when the others were forgotten. */
  #left = 0;

  constructor(context: KeyCountsContext) {
    this.#context = context;
  }

  /** The number of the last event of a key; 0 if there was none. */
  of(key: string): number {
    return this.#load().get(key) ?? this.#table.get(key);
  }

  /** Events were stored: the number of the last one of each key. */
  stored(numbers: ReadonlyMap<string, number>): void {
    if (!this.#recent) return;
    for (const [key, number] of numbers) this.#recent.set(key, number);
    this.#shrink(this.#recent);
  }

  /**
   * Saves the counts, which include all events before `seq` and none from it on; those must be
   * synced. Does nothing if nobody has asked for one.
   */
  save(seq: number): void {
    if (!this.#recent || this.#savedTo === seq) return;
    this.#shrink(this.#recent, 0);
    const bytes = encode({ table: this.#table, seq, left: this.#left });
    const { disk, folder } = this.#context;
    replaceFile(disk, { folder, name: COUNTS_FILE }, bytes);
    this.#savedTo = seq;
  }

  /** The same whether or not somebody has asked. */
  keep(seq: number): void {
    this.#load();
    this.save(seq);
  }

  /** Makes sure that the file has what was up to `seq`, whose segment is about to be deleted. */
  include(seq: number): void {
    this.#load();
    if (this.#savedTo <= seq) this.save(this.#context.view().lastSeq + 1);
  }

  /** Forgets keys of which nothing is left, if there are many. All segments are full. */
  forget(): void {
    const { firstSeq } = this.#context.view();
    if (!this.#recent || firstSeq === 1) return;
    this.#shrink(this.#recent, 0);
    if (this.#table.size <= Math.max(FEWEST_TO_FORGET, 2 * this.#left)) return;
    let left = EMPTY;
    for (const { keyed } of this.#context.keysFrom(firstSeq)) left = left.with(entriesOf(keyed));
    this.#table = this.#table.only(left, firstSeq);
    this.#left = this.#table.size;
  }

  /**
   * Events up to `seq` were lost: no key that is known goes on with a number that one of them may
   * have had.
   */
  lost(seq: number): void {
    this.#shrink(this.#load(), 0);
    if (this.#table === EMPTY) return;
    this.#table = this.#table.changed((number) => Math.max(number, seq));
    this.save(seq + 1);
  }

  #load(): Map<string, number> {
    if (this.#recent) return this.#recent;
    const { disk, folder, view, keysFrom, onNote } = this.#context;
    const { firstSeq, lastSeq } = view();
    const path = `${folder}/${COUNTS_FILE}`;
    const bytes = readWhole(disk, path);
    const file = bytes && decode(bytes);
    if (bytes && !file) {
      onNote(`the file ${path} is damaged: keys go on from the seqs of their last events`);
    }
    this.#savedTo = file?.seq ?? 1;
    this.#left = file?.left ?? 0;
    // If all that it knows was deleted, later numbers may have been deleted with it.
    this.#table = file && file.seq > firstSeq ? file.table : EMPTY;
    for (const { keyed, lost } of keysFrom(this.#savedTo)) {
      if (lost > 0) this.#table = this.#table.changed((number) => Math.max(number, lost));
      this.#table = this.#table.with(entriesOf(keyed, lost));
    }
    this.#recent = new Map();
    if (this.#savedTo > lastSeq + 1) {
      // It is newer than the events, which a restore may have brought back: what is stored from now
      // on comes after them, not after those that the file knew.
      this.#table = this.#table.changed((number) => Math.min(number, lastSeq));
      this.save(lastSeq + 1);
    }
    return this.#recent;
  }

  #shrink(recent: Map<string, number>, most = MOST_TEXTS): void {
    if (recent.size <= most) return;
    this.#table = this.#table.with(
      Array.from(recent, ([key, number]) => [...hash(key), number] as const),
    );
    recent.clear();
  }
}

/** Two halves of a hash and a number. */
type Entry = readonly [high: number, low: number, count: number];

/** Numbers by the hash of their key. */
class CountTable {
  readonly entries: Table;

  constructor(entries: Table) {
    this.entries = entries;
  }

  get size(): number {
    return this.entries.length / WIDTH;
  }

  get(key: string): number {
    return this.find(...hash(key));
  }

  find(high: number, low: number): number {
    let from = 0;
    let to = this.entries.length / WIDTH;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const at = middle * WIDTH;
      const order = this.entries[at]! - high || this.entries[at + 1]! - low;
      if (order === 0) return this.entries[at + 2]!;
      if (order < 0) from = middle + 1;
      else to = middle;
    }
    return 0;
  }

  /** A table with these numbers, too; of two for one key, the greater one counts. */
  with(numbers: readonly Entry[]): CountTable {
    if (numbers.length === 0) return this;
    const added = numbers.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
    const { entries: old } = this;
    const merged = new Float64Array(old.length + added.length * WIDTH);
    let [end, at] = [0, 0];
    for (const [high, low, count] of added) {
      while (at < old.length && (old[at]! - high || old[at + 1]! - low) < 0) {
        merged[end++] = old[at++]!;
        merged[end++] = old[at++]!;
        merged[end++] = old[at++]!;
      }
      const isKnown = old[at] === high && old[at + 1] === low;
      merged[end++] = high;
      merged[end++] = low;
      merged[end++] = isKnown ? Math.max(count, old[at + 2]!) : count;
      if (isKnown) at += WIDTH;
    }
    merged.set(old.subarray(at), end);
    return new CountTable(merged.slice(0, end + old.length - at));
  }

  /** A table without the keys that the other one does not have, if their numbers are below this. */
  only(other: CountTable, number: number): CountTable {
    const { entries } = this;
    const kept = new Float64Array(entries.length);
    let end = 0;
    for (let at = 0; at < entries.length; at += WIDTH) {
      const [high, low, count] = entries.subarray(at, at + WIDTH) as unknown as Entry;
      if (count < number && other.find(high, low) === 0) continue;
      kept.set([high, low, count], end);
      end += WIDTH;
    }
    return new CountTable(kept.slice(0, end));
  }

  /** A table with other numbers. */
  changed(change: (number: number) => number): CountTable {
    return new CountTable(
      this.entries.map((value, at) => at % WIDTH === 2 ? change(value) : value),
    );
  }
}

const EMPTY = new CountTable(new Float64Array(0));

/** With the numbers that are told, and above the seq of an event that was lost after them. */
function entriesOf(keyed: readonly KeyedEvent[], lost = 0): Entry[] {
  return keyed.map(({ high, low, seq, keySeq }) =>
    [high, low, seq < lost ? Math.max(keySeq, lost) : keySeq] as const
  );
}

/** What the file has. */
interface Saved {
  table: CountTable;
  seq: number;
  left: number;
}

function encode({ table: { entries, size }, seq, left }: Saved): Uint8Array {
  const body = new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength);
  const header = new Uint8Array(HEADER);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, FORMAT, true);
  view.setFloat64(8, seq, true);
  view.setFloat64(16, size, true);
  view.setFloat64(24, left, true);
  view.setUint32(32, crc32(body, crc32(header.subarray(0, 32))), true);
  return concat([header, body]);
}

function decode(bytes: Uint8Array): Saved | undefined {
  if (bytes.length < HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== FORMAT) return undefined;
  const body = bytes.slice(HEADER);
  if (body.length !== view.getFloat64(16, true) * WIDTH * 8) return undefined;
  if (view.getUint32(32, true) !== crc32(body, crc32(bytes.subarray(0, 32)))) return undefined;
  const table = new CountTable(new Float64Array(body.buffer));
  return { table, seq: view.getFloat64(8, true), left: view.getFloat64(24, true) };
}
