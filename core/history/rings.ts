/** Reading and writing at places of a history's file. */
import {
  type BlockKind,
  blockOffset,
  type Ring,
  ringOffset,
  rowNumber,
  ROWS,
  SHAPES,
} from "./layout.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A ring, and which of its rows. */
export interface RingPlace {
  blocks: readonly BlockKind[];
  block: number;
  ring: Ring;
  /** The numbers of the first and the last row, inclusive; absent: all rows. */
  range?: readonly [first: number, last: number] | undefined;
}

/** The rows of a ring that match their checksums, oldest first. */
export function readRing(
  file: Deno.FsFile,
  { blocks, block, ring, range }: RingPlace,
): { rows: { number: number; bytes: Bytes }[]; damaged: number } {
  const shape = SHAPES[blocks[block]!];
  const begin = blockOffset(blocks, block) + ringOffset(shape, ring);
  const count = ROWS[ring];
  const rows: { number: number; bytes: Bytes }[] = [];
  let damaged = 0;
  for (const [first, last] of slotsOf(range, count)) {
    const size = (last - first + 1) * shape.rowSize;
    const all = readAt(file, begin + first * shape.rowSize, size);
    for (let slot = first; (slot - first + 1) * shape.rowSize <= all.length; slot++) {
      const at = (slot - first) * shape.rowSize;
      const bytes = all.subarray(at, at + shape.rowSize);
      const number = rowNumber(bytes, block);
      if (number === undefined || (number > 0 && number % count !== slot)) damaged++;
      else if (number > 0) rows.push({ number, bytes });
    }
  }
  rows.sort((a, b) => a.number - b.number);
  const oldest = (rows.at(-1)?.number ?? 0) - count;
  return { rows: rows.filter(({ number }) => number > oldest), damaged };
}

/** Where rows are in a ring: in one piece, or in two. */
function slotsOf(range: RingPlace["range"], count: number): [first: number, last: number][] {
  if (range === undefined || range[1] - range[0] + 1 >= count) return [[0, count - 1]];
  const [first, last] = [range[0] % count, range[1] % count];
  return first <= last ? [[first, last]] : [[first, count - 1], [0, last]];
}

/** Fewer bytes only at the end of the file. */
export function readAt(file: Deno.FsFile, offset: number, length: number): Bytes {
  const bytes = new Uint8Array(length);
  file.seekSync(offset, Deno.SeekMode.Start);
  let read = 0;
  while (read < length) {
    const more = file.readSync(bytes.subarray(read));
    if (more === null) break;
    read += more;
  }
  return bytes.subarray(0, read);
}

/** All of the bytes: a write may be short, and says so only by its count. */
export function writeAt(file: Deno.FsFile, bytes: Bytes, offset: number): void {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
