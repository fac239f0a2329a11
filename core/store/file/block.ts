/**
 * The records of a segment's index: one slot of 128 bytes each, so that no slot straddles a disk
 * sector, and each with its own checksum.
 *
 * The first slot is the header. A block slot covers a run of whole lines with a checksum. Small
 * appends extend the last block: a slot with the same start as the one before it replaces it, and
 * the older slot stays on disk unchanged. A gap slot records that sequence numbers were lost. Space
 * for slots is allocated ahead of time and zeroed, so a slot that was never written can be told
 * from a damaged one.
 */
import { crc32 } from "../../base/checksum.ts";
import { FILE_STORE_FORMAT } from "./layout.ts";

/** Bytes of a slot. */
export const SLOT = 128;
/**
 * A block is closed once it reaches this size. It is also what one flipped bit makes unreadable.
 */
export const BLOCK_BYTES = 16 * 1024;

/** A run of whole lines and its metadata. */
export interface IndexBlock {
  /** Where its lines begin and end in the segment. If equal, the seqs were lost. */
  start: number;
  end: number;
  firstSeq: number;
  count: number;
  crc: number;
  /** The greatest timestamp in the block; for seeking by time. */
  maxTimestamp: number;
  /** Bytes of payloads and metadata. */
  size: number;
  /** Its ids were given by publishers (all of them, or none). */
  given: boolean;
  /** At least one event has a key. */
  keyed: boolean;
  /** When its ids were generated, as far as they are UUIDv7s: Unix ms. */
  minIdTime: number;
  maxIdTime: number;
  /** When its latest event was stored, Unix ms. */
  storedAt: number;
  /** Start of the append that ends in this block or spans it. */
  commitStart: number;
  /** This is the last block of that append. */
  commitEnd: boolean;
  /** How far the segment was known to be synced when this was written. */
  syncedEnd: number;
  /** Nothing in the block can be trusted, even if its checksum matches. */
  damaged: boolean;
}

/** The header of an index. */
export interface IndexHeader {
  firstSeq: number;
  createdAt: number;
  /** No more blocks will follow; the fields below summarize them. */
  sealed: boolean;
  /** Some of its seqs were found to be lost; the slots say which. */
  lost: boolean;
  lastSeq: number;
  /** Its length in bytes. */
  end: number;
  /** Bytes of payloads and metadata. */
  size: number;
  maxTimestamp: number;
  minIdTime: number;
  maxIdTime: number;
  /** When its latest event was stored, Unix ms. */
  storedAt: number;
}

/** The contents of a slot. */
export type Slot =
  | { kind: "empty" }
  | { kind: "damaged" }
  | { kind: "newer"; format: number }
  | { kind: "header"; header: IndexHeader }
  | { kind: "block"; block: IndexBlock };

const MAGIC = 0x49535645; // "EVSI"
const HEADER = 1;
const BLOCK = 2;
const GIVEN = 1;
const COMMIT_END = 2;
const DAMAGED = 4;
const KEYED = 8;

/** Encodes a header as a slot. */
export function encodeHeader(header: IndexHeader): Uint8Array {
  const { bytes, view } = slot(HEADER);
  view.setUint32(8, MAGIC, true);
  view.setUint32(12, FILE_STORE_FORMAT, true);
  view.setFloat64(16, header.firstSeq, true);
  view.setFloat64(24, header.createdAt, true);
  view.setUint32(32, header.sealed ? 1 : 0, true);
  view.setUint32(36, header.lost ? 1 : 0, true);
  view.setFloat64(40, header.lastSeq, true);
  view.setFloat64(48, header.end, true);
  view.setFloat64(56, header.size, true);
  view.setFloat64(64, header.maxTimestamp, true);
  view.setFloat64(72, header.minIdTime, true);
  view.setFloat64(80, header.maxIdTime, true);
  view.setFloat64(88, header.storedAt, true);
  return close(bytes, view);
}

/** Encodes a block as a slot. */
export function encodeBlock(block: IndexBlock): Uint8Array {
  const { bytes, view } = slot(BLOCK);
  bytes[5] = (block.given ? GIVEN : 0) | (block.commitEnd ? COMMIT_END : 0) |
    (block.damaged ? DAMAGED : 0) | (block.keyed ? KEYED : 0);
  view.setFloat64(8, block.start, true);
  view.setFloat64(16, block.end, true);
  view.setFloat64(24, block.firstSeq, true);
  view.setUint32(32, block.count, true);
  view.setUint32(36, block.crc, true);
  view.setFloat64(40, block.maxTimestamp, true);
  view.setFloat64(48, block.commitStart, true);
  view.setFloat64(56, block.size, true);
  view.setFloat64(64, block.minIdTime, true);
  view.setFloat64(72, block.maxIdTime, true);
  view.setFloat64(80, block.storedAt, true);
  view.setFloat64(88, block.syncedEnd, true);
  return close(bytes, view);
}

function slot(kind: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(SLOT);
  bytes[4] = kind;
  return { bytes, view: new DataView(bytes.buffer) };
}

function close(bytes: Uint8Array, view: DataView): Uint8Array {
  view.setUint32(0, crc32(bytes.subarray(4)), true);
  return bytes;
}

/** The slots of an index file. A partial slot at the end counts as damaged. */
export function decodeSlots(bytes: Uint8Array): Slot[] {
  const slots: Slot[] = [];
  for (let at = 0; at < bytes.length; at += SLOT) {
    slots.push(decodeSlot(bytes.subarray(at, at + SLOT)));
  }
  return slots;
}

function decodeSlot(bytes: Uint8Array): Slot {
  if (bytes.length < SLOT) return { kind: "damaged" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, SLOT);
  if (view.getUint32(0, true) !== crc32(bytes.subarray(4))) {
    return bytes.every((byte) => byte === 0) ? { kind: "empty" } : { kind: "damaged" };
  }
  const number = (at: number) => view.getFloat64(at, true);
  if (bytes[4] === HEADER && view.getUint32(8, true) === MAGIC) {
    const format = view.getUint32(12, true);
    if (format > FILE_STORE_FORMAT) return { kind: "newer", format };
    return {
      kind: "header",
      header: {
        firstSeq: number(16),
        createdAt: number(24),
        sealed: view.getUint32(32, true) === 1,
        lost: view.getUint32(36, true) === 1,
        lastSeq: number(40),
        end: number(48),
        size: number(56),
        maxTimestamp: number(64),
        minIdTime: number(72),
        maxIdTime: number(80),
        storedAt: number(88),
      },
    };
  }
  if (bytes[4] !== BLOCK) return { kind: "damaged" };
  const flags = bytes[5]!;
  return {
    kind: "block",
    block: {
      start: number(8),
      end: number(16),
      firstSeq: number(24),
      count: view.getUint32(32, true),
      crc: view.getUint32(36, true),
      maxTimestamp: number(40),
      commitStart: number(48),
      size: number(56),
      minIdTime: number(64),
      maxIdTime: number(72),
      storedAt: number(80),
      syncedEnd: number(88),
      given: (flags & GIVEN) !== 0,
      keyed: (flags & KEYED) !== 0,
      commitEnd: (flags & COMMIT_END) !== 0,
      damaged: (flags & DAMAGED) !== 0,
    },
  };
}

/** Summarizes these blocks for a sealed header. */
export function blockSummary(
  blocks: readonly IndexBlock[],
): Omit<IndexHeader, "createdAt" | "sealed"> {
  const last = blocks.at(-1);
  const sum = {
    firstSeq: blocks[0]?.firstSeq ?? 0,
    lastSeq: last ? last.firstSeq + last.count - 1 : 0,
    end: last?.end ?? 0,
    size: 0,
    maxTimestamp: -Infinity,
    minIdTime: Infinity,
    maxIdTime: -Infinity,
    storedAt: 0,
    lost: false,
  };
  for (const block of blocks) {
    sum.lost ||= block.damaged && block.count > 0;
    sum.size += block.size;
    sum.maxTimestamp = Math.max(sum.maxTimestamp, block.maxTimestamp);
    sum.minIdTime = Math.min(sum.minIdTime, block.minIdTime);
    sum.maxIdTime = Math.max(sum.maxIdTime, block.maxIdTime);
    sum.storedAt = Math.max(sum.storedAt, block.storedAt);
  }
  return sum;
}
