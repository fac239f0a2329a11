/**
 * Finds the bytes of a database that belong to nothing: where rows once were. SQLite leaves them as
 * they were: https://sqlite.org/fileformat2.html#b_tree_pages
 *
 * These are the space between the cell pointers and the cells of a page, its free blocks, the end of
 * the last overflow page of a cell, and the pages of the freelist. No I/O.
 */

const INDEX_INNER = 2;
const TABLE_INNER = 5;
const INDEX_LEAF = 10;
const TABLE_LEAF = 13;
const KINDS: readonly number[] = [INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF];
/** Bytes of the database's header, on the first page. */
const DATABASE_HEADER = 100;

/** Bytes from `start` up to `end`, within a page. */
export interface ByteRange {
  start: number;
  end: number;
}

/** A cell whose content goes on in other pages: the first of them, and how many bytes are there. */
export interface OverflowStart {
  page: number;
  bytes: number;
}

/** What a database's header says. */
export interface DatabaseLayout {
  pageSize: number;
  /** Bytes of a page without those that are reserved at its end. */
  usable: number;
  /** The first trunk page of the freelist; 0 if it is empty. */
  firstTrunk: number;
}

/** Reads the first page, or its beginning. */
export function layoutOf(header: Uint8Array): DatabaseLayout {
  const view = viewOf(header);
  const size = view.getUint16(16);
  const pageSize = size === 1 ? 65_536 : size;
  return { pageSize, usable: pageSize - header[20]!, firstTrunk: view.getUint32(32) };
}

/** A trunk page of the freelist: the next one, its leaves, and where it ends. */
export function trunkOf(
  page: Uint8Array,
  { usable }: DatabaseLayout,
): { next: number; leaves: number[]; unused: ByteRange } {
  const view = viewOf(page);
  const count = Math.min(view.getUint32(4), Math.floor(usable / 4) - 2);
  const leaves = Array.from({ length: count }, (_, i) => view.getUint32(8 + 4 * i));
  return { next: view.getUint32(0), leaves, unused: { start: 8 + 4 * count, end: usable } };
}

/**
 * The unused ranges of a page of a tree, and the cells that go on elsewhere; undefined if it is not
 * such a page, or a damaged one. Must not be called for pages of the freelist, which look like what
 * they were before.
 */
export function unusedIn(
  page: Uint8Array,
  { number, usable }: { number: number; usable: number },
): { ranges: ByteRange[]; overflows: OverflowStart[] } | undefined {
  const at = number === 1 ? DATABASE_HEADER : 0;
  const kind = page[at]!;
  if (!KINDS.includes(kind)) return undefined;
  const view = viewOf(page);
  const count = view.getUint16(at + 3);
  const pointers = at + (kind === INDEX_INNER || kind === TABLE_INNER ? 12 : 8);
  const start = pointers + 2 * count;
  const end = view.getUint16(at + 5) || 65_536;
  if (start > end || end > usable) return undefined;
  const ranges = freeBlocks(view, { first: view.getUint16(at + 1), from: end, usable });
  if (!ranges) return undefined;
  ranges.push({ start, end });
  const overflows: OverflowStart[] = [];
  for (let cell = 0; kind !== TABLE_INNER && cell < count; cell++) {
    const begin = view.getUint16(pointers + 2 * cell);
    if (begin < end || begin >= usable) return undefined;
    const overflow = overflowOf(page, { start: begin, kind, usable });
    if (overflow) overflows.push(overflow);
  }
  return { ranges, overflows };
}

/** The free blocks behind their headers; undefined if they contradict themselves. */
function freeBlocks(
  view: DataView,
  { first, from, usable }: { first: number; from: number; usable: number },
): ByteRange[] | undefined {
  const ranges: ByteRange[] = [];
  for (let at = first, least = from; at !== 0;) {
    if (at < least || at + 4 > usable) return undefined;
    const size = view.getUint16(at + 2);
    if (size < 4 || at + size > usable) return undefined;
    ranges.push({ start: at + 4, end: at + size });
    least = at + size;
    at = view.getUint16(at);
  }
  return ranges;
}

/** Where a cell goes on; undefined if it does not. */
function overflowOf(
  page: Uint8Array,
  { start, kind, usable }: { start: number; kind: number; usable: number },
): OverflowStart | undefined {
  const length = varint(page, start + (kind === INDEX_INNER ? 4 : 0));
  const content = kind === TABLE_LEAF ? varint(page, length.next).next : length.next;
  const most = kind === TABLE_LEAF ? usable - 35 : Math.floor((usable - 12) * 64 / 255) - 23;
  if (length.value <= most) return undefined;
  const least = Math.floor((usable - 12) * 32 / 255) - 23;
  const fits = least + (length.value - least) % (usable - 4);
  const local = fits <= most ? fits : least;
  if (content + local + 4 > usable) return undefined;
  return { page: viewOf(page).getUint32(content + local), bytes: length.value - local };
}

/** Reads one of SQLite's variable-length integers, of one to nine bytes. */
function varint(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i] ?? 0;
    value = value * 128 + (byte & 127);
    if (byte < 128) return { value, next: at + i + 1 };
  }
  return { value: value * 256 + (bytes[at + 8] ?? 0), next: at + 9 };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
