/**
 * Realigns a segment that was shortened or lengthened in the middle from outside, for example a
 * line deleted in an editor, or a piece cut out or inserted. Every block after that place is intact
 * but has moved. Each block is searched for wherever its first line occurs, and counts only if its
 * checksum matches; nothing is accepted on its looks. No I/O here except `read`.
 */
import type { IndexBlock } from "./block.ts";

/** A block, and the version that its slot replaced. */
export interface Link {
  block: IndexBlock;
  prior?: Link;
}

/** A segment whose length differs from its index. */
export interface MovedSegment {
  /** Bytes of the segment. */
  length: number;
  links: readonly Link[];
  read(start: number, end: number): Uint8Array;
  /** True if a block's lines are at this place. */
  liesAt(block: IndexBlock, start: number): boolean;
  /** Makes a block without lines: `count` lost seqs, and bytes that no checksum covers. */
  gap(at: { start: number; end: number; firstSeq: number; count: number }): IndexBlock;
}

const LF = 0x0a;
const [ZERO, NINE] = [0x30, 0x39];
const SEQ = new TextEncoder().encode('{"seq":');

/**
 * The blocks at their current positions, with gaps between them: from the first byte to the last
 * whole line.
 */
export function realign(segment: MovedSegment): IndexBlock[] {
  const { links, length, liesAt, gap } = segment;
  const starts = lineStarts(segment);
  const placed: IndexBlock[] = [];
  let end = 0;
  let nextSeq = links[0]?.block.firstSeq ?? 0;
  const place = (block: IndexBlock, start: number) => {
    if (start > end || block.firstSeq > nextSeq) {
      const count = block.firstSeq - nextSeq;
      placed.push(gap({ start: end, end: start, firstSeq: nextSeq, count }));
    }
    end = start + block.end - block.start;
    nextSeq = block.firstSeq + block.count;
    placed.push({ ...block, start, end, commitStart: start, commitEnd: true });
  };
  for (const link of links) {
    // An earlier version of the block, before it was extended, may still be intact.
    for (let one: Link | undefined = link; one; one = one.prior) {
      const { block } = one;
      const found = candidates(block, end, starts).find((start) => liesAt(block, start));
      if (found === undefined) continue;
      place(block, found);
      break;
    }
  }
  const last = links.at(-1)?.block;
  const count = last ? last.firstSeq + last.count - nextSeq : 0;
  const whole = segment.read(end, length).lastIndexOf(LF) + 1;
  if (count > 0 || whole > 0) {
    placed.push(gap({ start: end, end: end + whole, firstSeq: nextSeq, count }));
  }
  return placed;
}

/**
 * Where a block may be: right after the previous one, or wherever its first line occurs after that.
 */
function candidates(
  block: IndexBlock,
  from: number,
  starts: ReadonlyMap<number, number[]>,
): number[] {
  if (block.start === block.end || block.damaged) return [];
  const found = starts.get(block.firstSeq) ?? [];
  return [from, ...found.filter((start) => start > from)];
}

/** The offsets of all lines that have the first seq of a block. */
function lineStarts({ links, length, read }: MovedSegment): Map<number, number[]> {
  const wanted = new Set(links.map(({ block }) => block.firstSeq));
  const starts = new Map<number, number[]>();
  const bytes = read(0, length);
  for (let start = 0; start < bytes.length;) {
    const seq = seqAt(bytes, start);
    if (seq !== undefined && wanted.has(seq)) {
      const known = starts.get(seq);
      if (known) known.push(start);
      else starts.set(seq, [start]);
    }
    const end = bytes.indexOf(LF, start);
    if (end < 0) break;
    start = end + 1;
  }
  return starts;
}

function seqAt(bytes: Uint8Array, start: number): number | undefined {
  for (let i = 0; i < SEQ.length; i++) if (bytes[start + i] !== SEQ[i]) return undefined;
  let seq = 0;
  for (let at = start + SEQ.length;; at++) {
    const byte = bytes[at];
    if (byte === undefined || byte < ZERO || byte > NINE) return seq;
    seq = seq * 10 + byte - ZERO;
  }
}
