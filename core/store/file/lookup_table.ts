/**
 * The given ids and keys of a full segment as a searchable table: sorted 64-bit hashes, each with
 * its seq. After a match, the caller still has to check that the event has that exact id or key.
 */
import { concat } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { hash } from "../../base/key_hash.ts";

/** A text and its seq. */
export type LookupEntry = readonly [text: string, seq: number];

const MAGIC = 0x4c535645; // "EVSL"
/** The first format had no {@link LookupTable.ages}. */
const FORMATS = [1, 2];
const FORMAT = 2;
const HEADER = 32;
/** Numbers per entry: both halves of the hash, and the seq minus the segment's first. */
const WIDTH = 3;
const SPREAD = 2 ** 21;

/** One table each for given ids and keys. */
export interface LookupTable {
  ids: Uint32Array;
  keys: Uint32Array;
  /** When the latest event of the segment was stored, Unix ms. */
  storedAt: number;
  /**
   * When its events were stored: from a seq on, and Unix ms, in pairs, ascending by seq. Empty if
   * that is not known.
   */
  ages: Float64Array<ArrayBuffer>;
}

/** Builds the table for these ids and keys of a segment, and of the blocks with ids. */
export function makeTable(
  segment: { firstSeq: number; storedAt: number },
  { ids, keys, blocks }: {
    ids: readonly LookupEntry[];
    keys: readonly LookupEntry[];
    blocks: readonly { firstSeq: number; storedAt: number }[];
  },
): LookupTable {
  const { firstSeq, storedAt } = segment;
  const ages: number[] = [];
  for (const block of blocks) {
    if (ages.at(-1) !== block.storedAt) ages.push(block.firstSeq, block.storedAt);
  }
  return {
    ids: column(firstSeq, ids),
    keys: column(firstSeq, keys),
    storedAt,
    ages: Float64Array.from(ages),
  };
}

/** When an event of the segment was stored, Unix ms; that of its latest one if it is not known. */
export function storedAtOf({ ages, storedAt }: LookupTable, seq: number): number {
  let at = storedAt;
  for (let i = 0; i < ages.length && ages[i]! <= seq; i += 2) at = ages[i + 1]!;
  return at;
}

/** The sorted hashes of some texts, for {@link search}; fewer than 2^21. */
export function column(firstSeq: number, entries: readonly LookupEntry[]): Uint32Array {
  const hashes = entries.map(([text]) => hash(text));
  // Sorted as numbers: the high half of the hash, then the position.
  const order = Float64Array.from(hashes, ([high], i) => high * SPREAD + i).sort();
  const table = new Uint32Array(entries.length * WIDTH);
  order.forEach((value, at) => {
    const i = value % SPREAD;
    const [high, low] = hashes[i]!;
    table.set([high, low, entries[i]![1] - firstSeq], at * WIDTH);
  });
  return table;
}

/** The seqs that may match a text, highest first. */
export function search(table: Uint32Array, firstSeq: number, text: string): number[] {
  const [high, low] = hash(text);
  let from = 0;
  let to = table.length / WIDTH;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (table[middle * WIDTH]! < high) from = middle + 1;
    else to = middle;
  }
  const found: number[] = [];
  for (let at = from * WIDTH; table[at] === high; at += WIDTH) {
    if (table[at + 1] === low) found.push(firstSeq + table[at + 2]!);
  }
  return found.sort((a, b) => b - a);
}

/** The hashes of a column, each with the seq. */
export function hashesIn(
  table: Uint32Array,
  firstSeq: number,
): { high: number; low: number; seq: number }[] {
  return Array.from({ length: table.length / WIDTH }, (_, i) => {
    const [high, low, seq] = table.subarray(i * WIDTH, (i + 1) * WIDTH);
    return { high: high!, low: low!, seq: firstSeq + seq! };
  });
}

/** Encodes the table as a file. */
export function encodeTable({ ids, keys, storedAt, ages }: LookupTable): Uint8Array {
  const header = new Uint8Array(HEADER);
  const body = concat([bytesOf(ids), bytesOf(keys), bytesOf(ages)]);
  const view = new DataView(header.buffer);
  [MAGIC, FORMAT, ids.length, keys.length, crc32(body, storedAt | 0), ages.length]
    .forEach((value, i) => view.setUint32(i * 4, value, true));
  view.setFloat64(24, storedAt, true);
  return concat([header, body]);
}

/** Decodes a file; undefined if it is incomplete or corrupt. */
export function decodeTable(bytes: Uint8Array): LookupTable | undefined {
  if (bytes.length < HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  const [magic, format = 0, ids = 0, keys = 0, crc, ages = 0] = [0, 4, 8, 12, 16, 20].map((at) =>
    view.getUint32(at, true)
  );
  const body = bytes.slice(HEADER);
  const end = (ids + keys) * 4;
  if (magic !== MAGIC || !FORMATS.includes(format) || body.length !== end + ages * 8) {
    return undefined;
  }
  if (crc32(body, view.getFloat64(24, true) | 0) !== crc) return undefined;
  const numbers = new Uint32Array(body.buffer, 0, ids + keys);
  return {
    ids: numbers.subarray(0, ids),
    keys: numbers.subarray(ids),
    storedAt: view.getFloat64(24, true),
    // Copied, because it need not begin at a multiple of eight.
    ages: new Float64Array(body.slice(end).buffer),
  };
}

/** Little-endian, like every machine that Deno runs on. */
function bytesOf(numbers: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
