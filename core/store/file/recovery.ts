/**
 * Decides how to repair a segment that was not closed cleanly. Decisions only: the writer then
 * truncates and rewrites.
 *
 * An append writes its lines, then its slots, syncs both, and only then is acknowledged. So
 * anything torn beyond `syncedEnd`, the length that some slot records as synced, was never
 * acknowledged and is cut off. Torn means that the segment is too short, that one of its sectors
 * ends in zeros (no wire line has a zero byte), or that the next slot was never written (it is
 * zero) and the bytes can be an append of ours (surplus.ts). Anything else is damage or foreign,
 * and is never cut. A block whose checksum does not match stays in place and is not delivered. If
 * slots are damaged or the index is lost, lines that read as this topic's next events are accepted.
 * If a segment is shorter than what was synced, only what a slot vouches for is accepted, and the
 * other seqs are not reused.
 */
import type { StoredEvent } from "../../event/event.ts";
import { crc32 } from "../../base/checksum.ts";
import { BLOCK_BYTES, type IndexBlock, type Slot } from "./block.ts";
import { eachLine, indexBlockOf, suspectEvent } from "./lines.ts";
import { type Link, realign } from "./realign.ts";
import { isUnfinishedAppend } from "./surplus.ts";

/** A segment before recovery. */
export interface FoundSegment {
  topic: string;
  firstSeq: number;
  slots: readonly Slot[];
  /** The index has its full length, so it was not truncated. */
  indexWhole: boolean;
  /** Bytes of the segment. */
  length: number;
  /**
   * Substitute for lost storage times, Unix ms. Late rather than early, so that no given id is
   * forgotten.
   */
  storedAt: number;
  read(start: number, end: number): Uint8Array;
}

/** The result of recovery. */
export interface RecoveredSegment {
  blocks: IndexBlock[];
  /**
   * Bytes to keep; the rest is cut off. One more than there are if the last line lacks its line
   * feed.
   */
  end: number;
  /** The slots on disk no longer match `blocks`. */
  changed: boolean;
  /** Messages about what happened. */
  notes: string[];
}

const SECTOR = 512;
const LF = 0x0a;

/** True if the bytes are those that the block was written with. */
export function vouchesFor(block: IndexBlock, bytes: Uint8Array): boolean {
  return !block.damaged && bytes.length === block.end - block.start && crc32(bytes) === block.crc;
}

/** The blocks in the slots of a sealed or intact index, up to `limit` bytes of the segment. */
export function blocksOf(slots: readonly Slot[], limit = Infinity): IndexBlock[] {
  const blocks: IndexBlock[] = [];
  for (const slot of slots) {
    if (slot.kind !== "block" || slot.block.end > limit) continue;
    const last = blocks.at(-1);
    if (last && replaces(slot.block, last)) blocks[blocks.length - 1] = slot.block;
    else blocks.push(slot.block);
  }
  return blocks;
}

function replaces(block: IndexBlock, last: IndexBlock): boolean {
  return block.start === last.start && block.firstSeq === last.firstSeq && block.end >= last.end;
}

/** Decides what to keep of a segment. */
export function recover(segment: FoundSegment): RecoveredSegment {
  return new Recovery(segment).run();
}

class Recovery {
  readonly #segment: FoundSegment;
  readonly #chain: Link[] = [];
  readonly #notes: string[] = [];
  #syncedEnd = 0;
  #changed = false;
  #cutFromOutside = false;
  #tookBack = false;

  constructor(segment: FoundSegment) {
    this.#segment = segment;
  }

  run(): RecoveredSegment {
    const { length } = this.#segment;
    this.#link();
    this.#judge();
    const last = this.#chain.at(-1);
    if (last && !last.block.commitEnd && last.block.end > this.#syncedEnd) {
      this.#cutFrom(last.block.commitStart);
    }
    if (length > this.#end()) this.#settleSurplus();
    return {
      blocks: this.#chain.map(({ block }) => block),
      end: this.#end(),
      changed: this.#changed,
      notes: this.#notes,
    };
  }

  /**
   * Cuts what follows the last block if it can be an unfinished append of ours; anything else
   * stays, as a block without events.
   */
  #settleSurplus(): void {
    const { length, topic } = this.#segment;
    const start = this.#end();
    const nextSeq = this.#nextSeq();
    this.#changed = true;
    if (this.#cutFromOutside) {
      this.#notes.push(`cut ${length - start} bytes of a line that has lost its end`);
      return;
    }
    const bytes = this.#segment.read(start, length);
    if (this.#tookBack || isUnfinishedAppend(bytes, { topic, nextSeq })) {
      this.#notes.push(
        `cut ${length - start} bytes of an unfinished write, which was never acknowledged`,
      );
      return;
    }
    this.#notes.push(
      `its last ${length - start} bytes are not events of ${topic}: kept, but not delivered`,
    );
    const end = bytes.at(-1) === LF ? length : length + 1;
    this.#chain.push({ block: { ...this.#gap(nextSeq, 0), end } });
  }

  #end(): number {
    return this.#chain.at(-1)?.block.end ?? 0;
  }

  #nextSeq(): number {
    const last = this.#chain.at(-1)?.block;
    return last ? last.firstSeq + last.count : this.#segment.firstSeq;
  }

  /** Chains the slots, and fills gaps between them from the lines. */
  #link(): void {
    const { slots, length, indexWhole } = this.#segment;
    let damaged = 0;
    let lastIsDamaged = !indexWhole;
    for (const slot of slots) {
      // A segment is synced before it is sealed.
      const isSealed = slot.kind === "header" && slot.header.sealed;
      const known = slot.kind === "block" ? slot.block.syncedEnd : isSealed ? slot.header.end : 0;
      this.#syncedEnd = Math.max(this.#syncedEnd, known);
    }
    let unwritten = false;
    for (const [i, slot] of slots.entries()) {
      if (slot.kind === "empty") unwritten = true;
      // A later sector of the index reached the disk before this one: nothing after it was
      // acknowledged.
      if (slot.kind === "block" && unwritten && this.#end() >= this.#syncedEnd) {
        this.#changed = true;
        break;
      }
      if (slot.kind === "damaged" || (slot.kind !== "header" && i === 0)) damaged++;
      if (slot.kind === "damaged") lastIsDamaged = true;
      if (slot.kind !== "block") continue;
      lastIsDamaged = !indexWhole;
      this.#add(slot.block);
    }
    if (damaged > 0 || !indexWhole) {
      this.#changed = true;
      this.#notes.push(
        slots.length === 0
          ? "the index was lost: rebuilt from the lines"
          : `${damaged} records of the index were damaged: rebuilt from the lines`,
      );
    }
    if (lastIsDamaged && this.#end() < length) this.#salvage(this.#end(), length);
  }

  #add(block: IndexBlock): void {
    const last = this.#chain.at(-1);
    if (last && replaces(block, last.block)) {
      this.#chain[this.#chain.length - 1] = { block, prior: last };
      return;
    }
    if (block.start < this.#end() || block.firstSeq < this.#nextSeq()) {
      this.#notes.push(`a record of the index contradicts the one before it: left out`);
      this.#changed = true;
      return;
    }
    if (block.start > this.#end() || block.firstSeq > this.#nextSeq()) {
      this.#changed = true;
      this.#salvage(this.#end(), block.start, block.firstSeq);
    }
    this.#chain.push({ block });
  }

  /** Checks blocks that may not be synced, and blocks that are no longer complete. */
  #judge(): void {
    const { length } = this.#segment;
    if (this.#isMoved()) return this.#realign();
    for (let i = 0; i < this.#chain.length; i++) {
      const { block } = this.#chain[i]!;
      if (block.end <= this.#syncedEnd && block.end <= length) continue;
      if (block.start === block.end) continue;
      const bytes = this.#segment.read(block.start, Math.min(block.end, length));
      if (vouchesFor(block, bytes)) continue;
      if (block.end > length || hasUnwrittenSector(bytes, block.start)) {
        this.#cutFrom(block.commitStart);
        // The earlier version of the last block must be checked too.
        i = Math.max(-1, this.#chain.length - 2);
        continue;
      }
      this.#notes.push(
        `events ${block.firstSeq} to ${
          block.firstSeq + block.count - 1
        } are damaged: kept, but not delivered`,
      );
    }
  }

  /** Drops everything from `offset` on. */
  #cutFrom(offset: number): void {
    this.#changed = true;
    this.#tookBack = true;
    this.#notes.push(
      `took back an unfinished append at byte ${offset}, which was never acknowledged`,
    );
    while (this.#chain.length > 0 && this.#chain.at(-1)!.block.start >= offset) this.#chain.pop();
    const last = this.#chain.at(-1);
    if (!last || last.block.end <= offset) return;
    // The block spans the cut: its slot from before the append is still there.
    this.#chain.pop();
    let link: Link | undefined = last;
    while (link && link.block.end > offset) link = link.prior;
    if (link) this.#chain.push(link);
    if (this.#end() < offset) this.#salvage(this.#end(), offset);
  }

  /**
   * True if the segment was shortened or lengthened from outside: it ends before what was synced,
   * or its last block is at its end instead of where it was written. A torn tail is neither.
   */
  #isMoved(): boolean {
    const { length } = this.#segment;
    if (length < this.#syncedEnd) return true;
    const last = this.#chain.findLast(({ block }) => block.end > block.start)?.block;
    if (!last || last.damaged || last.end === length) return false;
    const start = length - (last.end - last.start);
    return start >= 0 && start !== last.start && this.#liesAt(last, start) &&
      !this.#liesAt(last, last.start);
  }

  /**
   * Takes the blocks at their current positions and records the lost seqs. Bytes without a matching
   * checksum are never delivered: a segment that lost a line may have lost other bytes too, and a
   * line that parses may be made of two. Those bytes stay in the file, except for a partial line at
   * the end.
   */
  #realign(): void {
    const { length, topic } = this.#segment;
    const blocks = realign({
      length,
      links: this.#chain,
      read: (start, end) => this.#segment.read(start, end),
      liesAt: (block, start) => this.#liesAt(block, start),
      gap: ({ start, end, firstSeq, count }) => ({
        ...this.#gap(firstSeq, count),
        start,
        end,
        syncedEnd: end,
      }),
    });
    this.#chain.splice(0, Infinity, ...blocks.map((block) => ({ block })));
    this.#syncedEnd = this.#end();
    this.#changed = true;
    this.#cutFromOutside = true;
    for (const { damaged, firstSeq, count, start, end } of blocks) {
      if (!damaged) continue;
      const gone = count > 0
        ? `events ${firstSeq} to ${firstSeq + count - 1} of ${topic} are`
        : "no event is";
      const kept = end > start
        ? `; ${end - start} bytes stay and are not delivered: no checksum vouches for them`
        : "";
      this.#notes.push(`the segment was cut from outside: ${gone} gone${kept}`);
    }
  }

  #liesAt(block: IndexBlock, start: number): boolean {
    const end = start + block.end - block.start;
    return end <= this.#segment.length && vouchesFor(
      { ...block, start, end },
      this.#segment.read(start, end),
    );
  }

  #gap(firstSeq: number, count: number): IndexBlock {
    const end = this.#end();
    return {
      ...indexBlockOf(new Uint8Array(0), [], {
        start: end,
        firstSeq,
        syncedEnd: end,
        storedAt: this.#segment.storedAt,
      }),
      count,
      damaged: true,
    };
  }

  /**
   * Accepts whole lines that read as the next events of the topic. `before`: the seq after the gap,
   * if one follows. All other bytes count as damaged, except for a partial line at the end of the
   * segment.
   */
  #salvage(start: number, end: number, before?: number): void {
    const bytes = this.#segment.read(start, end);
    let run: { from: number; to: number; events: StoredEvent[] } | undefined;
    let bad = -1;
    const { storedAt } = this.#segment;
    const flush = () => {
      if (!run) return;
      const lines = bytes.subarray(run.from, run.to);
      const at = { start: start + run.from, firstSeq: run.events[0]!.seq, syncedEnd: 0, storedAt };
      this.#chain.push({ block: indexBlockOf(lines, run.events, at) });
      run = undefined;
    };
    const damaged = (to: number, seq: number) => {
      if (bad < 0 && seq <= this.#nextSeq()) return;
      const firstSeq = this.#nextSeq();
      const block = this.#gap(firstSeq, Math.max(0, seq - firstSeq));
      this.#chain.push({ block: { ...block, end: start + to } });
      this.#notes.push(`events ${firstSeq} to ${seq - 1} are damaged: kept, but not delivered`);
      bad = -1;
    };
    let wholeTo = 0;
    let badLines = 0;
    eachLine(bytes, (from, to) => {
      const event = suspectEvent(bytes.subarray(from, to), this.#segment.topic);
      const next = run ? run.events.at(-1)!.seq + 1 : this.#nextSeq();
      wholeTo = to + 1;
      if (!event || event.seq < next || (before !== undefined && event.seq >= before)) {
        flush();
        if (bad < 0) bad = from;
        badLines++;
        return;
      }
      if (bad >= 0 || event.seq > next) {
        flush();
        damaged(from, event.seq);
        badLines = 0;
      }
      run ??= { from, to: from, events: [] };
      run.events.push(event);
      run.to = to + 1;
      if (run.to - run.from >= BLOCK_BYTES) flush();
    });
    flush();
    if (before !== undefined) {
      if (this.#end() < end || this.#nextSeq() < before) {
        bad = Math.max(0, bad);
        damaged(end - start, before);
      }
    } else if (bad >= 0) {
      damaged(wholeTo, this.#nextSeq() + badLines);
    }
  }
}

/**
 * True if the file system did not write a sector completely: from the start of some append, it is
 * zero to its end. A flipped bit never looks like that: it gives neither two zero bytes in a row
 * nor a zero at the start of a line.
 */
function hasUnwrittenSector(bytes: Uint8Array, position: number): boolean {
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(bytes.length, start + SECTOR - (position + start) % SECTOR);
    const before = bytes[end - 2];
    if (bytes[end - 1] === 0 && (end - start === 1 || before === 0 || before === LF)) return true;
    start = end;
  }
  return false;
}
