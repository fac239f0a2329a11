/** Caches the blocks and open files of recently read segments. */
import { decodeSlots, type IndexBlock } from "./block.ts";
import { type Disk, type DiskFile, readFully, readWhole } from "./disk.ts";
import { segmentFile, topicFolder } from "./layout.ts";
import { blocksOf, recover } from "./recovery.ts";
import type { SegmentInfo } from "./view.ts";

/** Enough for some gigabytes of events. */
const MOST_BLOCKS = 200_000;
const MOST_FILES = 64;

/** Opens segments and keeps the recently used ones. */
export class SegmentCache {
  readonly #disk: Disk;
  readonly #dir: string;
  readonly #blocks = new Map<string, IndexBlock[]>();
  #count = 0;
  readonly #files = new Map<string, DiskFile>();
  /** Segments that stay here until they are forgotten. */
  readonly #pinned = new Set<string>();

  constructor(disk: Disk, dir: string) {
    this.#disk = disk;
    this.#dir = dir;
  }

  /** The path of a segment's lines. */
  path(topic: string, firstSeq: number, kind: "ndjson" | "index" | "lookup" = "ndjson"): string {
    return `${this.#dir}/${topicFolder(topic)}/${segmentFile(firstSeq, kind)}`;
  }

  /** The segment's blocks, up to its known end. */
  blocks(topic: string, segment: SegmentInfo): IndexBlock[] {
    const path = this.path(topic, segment.firstSeq);
    const held = this.#blocks.get(path);
    if (held) return touch(this.#blocks, path, held);
    const blocks = this.#load(topic, segment);
    this.#blocks.set(path, blocks);
    this.#count += blocks.length;
    for (const [oldest, old] of this.#blocks) {
      if (this.#count <= MOST_BLOCKS || oldest === path) break;
      if (this.#pinned.has(oldest)) continue;
      this.#blocks.delete(oldest);
      this.#count -= old.length;
    }
    return blocks;
  }

  /** Adds blocks that have become durable at the end of a segment. */
  learn(topic: string, firstSeq: number, blocks: readonly IndexBlock[]): void {
    const held = this.#blocks.get(this.path(topic, firstSeq));
    if (!held) return;
    for (const block of blocks) {
      const last = held.at(-1);
      if (last && block.start === last.start && block.firstSeq === last.firstSeq) {
        held[held.length - 1] = block;
      } else if (!last || block.start >= last.end) {
        held.push(block);
        this.#count++;
      }
    }
  }

  /** Reads bytes of a segment; fewer if it ends earlier. */
  read(topic: string, firstSeq: number, [start, end]: readonly [number, number]): Uint8Array {
    try {
      const file = this.#file(this.path(topic, firstSeq));
      return readFully(file, new Uint8Array(end - start), start);
    } catch (error) {
      // Treat a missing segment like a truncated one: its blocks count as damaged.
      if (error instanceof Deno.errors.NotFound) return new Uint8Array(0);
      throw error;
    }
  }

  /**
   * Opens a segment that another thread is about to replace, and keeps it as it is until
   * {@link forget} or {@link unpin} is called.
   */
  pin(topic: string, segment: SegmentInfo): void {
    const path = this.path(topic, segment.firstSeq);
    this.#pinned.add(path);
    this.blocks(topic, segment);
    this.read(topic, segment.firstSeq, [0, 0]);
  }

  /** The segment was not replaced. */
  unpin(topic: string, firstSeq: number): void {
    this.#pinned.delete(this.path(topic, firstSeq));
  }

  /** Drops a segment that was deleted, or whose seqs start over. */
  forget(topic: string, firstSeq: number): void {
    const path = this.path(topic, firstSeq);
    this.#pinned.delete(path);
    this.#count -= this.#blocks.get(path)?.length ?? 0;
    this.#blocks.delete(path);
    this.#files.get(path)?.close();
    this.#files.delete(path);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
    this.#blocks.clear();
    this.#count = 0;
  }

  #file(path: string): DiskFile {
    const held = this.#files.get(path);
    if (held) return touch(this.#files, path, held);
    const file = this.#disk.open(path, "read");
    this.#files.set(path, file);
    for (const [oldest, old] of this.#files) {
      if (this.#files.size <= MOST_FILES) break;
      if (this.#pinned.has(oldest)) continue;
      old.close();
      this.#files.delete(oldest);
    }
    return file;
  }

  #load(topic: string, segment: SegmentInfo): IndexBlock[] {
    const index = readWhole(this.#disk, this.path(topic, segment.firstSeq, "index"));
    const slots = decodeSlots(index ?? new Uint8Array(0));
    const blocks = blocksOf(slots, segment.end);
    if (isWhole(blocks, segment)) return blocks;
    // The index is damaged or lost: use what is left of it, and what can be read from the lines.
    return recover({
      topic,
      firstSeq: segment.firstSeq,
      slots,
      indexWhole: false,
      length: segment.end,
      storedAt: segment.storedAt,
      read: (start, end) => this.read(topic, segment.firstSeq, [start, end]),
    }).blocks;
  }
}

function isWhole(blocks: readonly IndexBlock[], segment: SegmentInfo): boolean {
  let end = 0;
  let next = segment.firstSeq;
  for (const block of blocks) {
    if (block.start !== end || block.firstSeq !== next) return false;
    end = block.end;
    next += block.count;
  }
  return end === segment.end && next === segment.lastSeq + 1;
}

/** Moves an entry to the end, so that it is evicted last. */
function touch<V>(map: Map<string, V>, key: string, value: V): V {
  map.delete(key);
  map.set(key, value);
  return value;
}
