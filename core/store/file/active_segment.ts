/**
 * The segment that a topic is appended to: its lines and its index, both open.
 *
 * An append writes the lines, then the slots, and syncs both before it is acknowledged. Space for
 * slots is allocated ahead, so that a sync has no new length to record and a slot is either
 * complete or zero. {@link rollback} undoes a write that is not to count.
 */
import { takenAway } from "../../base/named_files.ts";
import { concat } from "../../base/bytes.ts";
import { blockSummary, encodeBlock, encodeHeader, type IndexBlock, SLOT } from "./block.ts";
import { type Disk, type DiskFile, replaceFile, writeFully } from "./disk.ts";
import { segmentFile } from "./layout.ts";
import { blocksOfRuns, type Run } from "./run.ts";

/** Space for slots grows in steps of this many bytes. */
export const ROOM = 4096;
const MOST_ROOM = 64 * 1024;
/** Runs of at least this many bytes are written separately. */
const LARGE = 64 * 1024;

/** What is needed to reopen a segment. */
export interface KnownSegment {
  firstSeq: number;
  end: number;
  last: IndexBlock | undefined;
  /** Slots in use, including the header. */
  slots: number;
  syncedEnd: number;
  /**
   * This process wrote the last block and may extend it. A block of an earlier process may have
   * been damaged since.
   */
  ours: boolean;
}

/** The segment that a topic is appended to. */
export class ActiveSegment {
  readonly firstSeq: number;
  readonly #path: string;
  readonly #lines: DiskFile;
  readonly #index: DiskFile;
  #room: number;
  #slots: number;
  #end: number;
  #last: IndexBlock | undefined;
  #syncedEnd: number;
  #ours: boolean;
  #pending: { blocks: IndexBlock[]; end: number; slotsWritten: boolean } | undefined;

  private constructor(
    files: { folder: string; lines: DiskFile; index: DiskFile },
    known: KnownSegment,
  ) {
    this.firstSeq = known.firstSeq;
    this.#path = `${files.folder}/${segmentFile(known.firstSeq, "ndjson")}`;
    this.#lines = files.lines;
    this.#index = files.index;
    this.#room = files.index.size();
    this.#slots = known.slots;
    this.#end = known.end;
    this.#last = known.last;
    this.#syncedEnd = known.syncedEnd;
    this.#ours = known.ours;
  }

  /** Creates an empty one. The caller still has to sync the folder. */
  static create(
    disk: Disk,
    folder: string,
    { firstSeq, now }: { firstSeq: number; now: number },
  ): ActiveSegment {
    const index = disk.open(`${folder}/${segmentFile(firstSeq, "index")}`, "create");
    const room = new Uint8Array(ROOM);
    room.set(headerSlot(firstSeq, now));
    let lines: DiskFile | undefined;
    try {
      writeFully(index, room, 0);
      lines = disk.open(`${folder}/${segmentFile(firstSeq, "ndjson")}`, "create");
    } catch (error) {
      index.close();
      disk.remove(`${folder}/${segmentFile(firstSeq, "index")}`);
      throw error;
    }
    const known = { firstSeq, end: 0, last: undefined, slots: 1, syncedEnd: 0, ours: true };
    return new ActiveSegment({ folder, lines, index }, known);
  }

  /** Opens an existing one. */
  static open(disk: Disk, folder: string, known: KnownSegment): ActiveSegment {
    const lines = disk.open(`${folder}/${segmentFile(known.firstSeq, "ndjson")}`, "write");
    try {
      const index = disk.open(`${folder}/${segmentFile(known.firstSeq, "index")}`, "write");
      return new ActiveSegment({ folder, lines, index }, known);
    } catch (error) {
      lines.close();
      throw error;
    }
  }

  /**
   * Throws `DataDirError` if the files were deleted or replaced: nobody would find what is stored
   * here.
   */
  assertNamed(): void {
    if (!this.#lines.hasName() || !this.#index.hasName()) throw takenAway(this.#path);
  }

  get end(): number {
    return this.#end;
  }

  get isSynced(): boolean {
    return this.#syncedEnd >= this.#end;
  }

  /** Bytes of slots in use. */
  get indexEnd(): number {
    return this.#slots * SLOT;
  }

  /** Writes an append, which does not count until {@link commit}. */
  write(runs: readonly Run[], now: number): void {
    const blocks = blocksOfRuns(runs, {
      last: this.#ours ? this.#last : undefined,
      end: this.#end,
      syncedEnd: this.#syncedEnd,
      now,
    });
    const pieces = piecesOf(runs);
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const pending = { blocks, end: this.#end + length, slotsWritten: false };
    this.#pending = pending;
    this.#makeRoom((this.#slots + blocks.length) * SLOT);
    let end = this.#end;
    for (const piece of pieces) {
      writeFully(this.#lines, piece, end);
      end += piece.length;
    }
    pending.slotsWritten = true;
    writeFully(this.#index, concat(blocks.map(encodeBlock)), this.#slots * SLOT);
  }

  /**
   * Resolves when everything written is synced. Both syncs run at once, so that the file system can
   * share work between them.
   */
  async sync(): Promise<void> {
    await Promise.all([this.#index.sync(), this.#lines.sync()]);
  }

  /** Opens the descriptors that {@link syncBeside} needs. */
  prepareBeside(): void {
    this.#index.prepareBeside();
    this.#lines.prepareBeside();
  }

  /** Closes them. No such sync may be under way. */
  closeBeside(): void {
    this.#index.closeBeside();
    this.#lines.closeBeside();
  }

  /**
   * Resolves when everything committed so far is synced; the next append may be written meanwhile.
   */
  async syncBeside(): Promise<void> {
    const end = this.#end;
    await Promise.all([this.#index.syncBeside(), this.#lines.syncBeside()]);
    this.synced(end);
  }

  /** Like {@link sync}, but blocks. */
  syncNow(): void {
    this.#index.syncNow();
    this.#lines.syncNow();
  }

  /** Makes what was written count; `synced` says whether it has been synced. Returns its blocks. */
  commit({ synced }: { synced: boolean }): IndexBlock[] {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return [];
    this.#end = pending.end;
    this.#slots += pending.blocks.length;
    this.#last = pending.blocks.at(-1) ?? this.#last;
    this.#ours ||= pending.blocks.length > 0;
    if (synced) this.#syncedEnd = this.#end;
    return pending.blocks;
  }

  /** Records that everything up to `end` is synced. */
  synced(end: number): void {
    this.#syncedEnd = Math.max(this.#syncedEnd, end);
  }

  /**
   * Undoes a write that was not committed, durably: the system may have written it to disk
   * meanwhile, and after a power cut it would sit where later events belong.
   */
  rollback(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return;
    if (this.#lines.size() > this.#end) this.#lines.truncate(this.#end);
    if (pending.slotsWritten) {
      const from = this.#slots * SLOT;
      const to = Math.min(this.#room, from + pending.blocks.length * SLOT);
      writeFully(this.#index, new Uint8Array(to - from), from);
    }
    this.syncNow();
  }

  /**
   * Records in the index that everything is synced, so that later damage is never taken for an
   * unfinished write.
   */
  mark(): void {
    if (!this.#last || this.#last.syncedEnd >= this.#end) return;
    this.#last = { ...this.#last, syncedEnd: this.#syncedEnd };
    this.#makeRoom((this.#slots + 1) * SLOT);
    writeFully(this.#index, encodeBlock(this.#last), this.#slots * SLOT);
    this.#slots++;
  }

  /** What is needed to reopen it. */
  known(): KnownSegment {
    return {
      firstSeq: this.firstSeq,
      end: this.#end,
      last: this.#last,
      slots: this.#slots,
      syncedEnd: this.#syncedEnd,
      ours: this.#ours,
    };
  }

  close(): void {
    this.#lines.close();
    this.#index.close();
  }

  #makeRoom(bytes: number): void {
    while (this.#room < bytes) {
      const more = Math.min(MOST_ROOM, this.#room);
      writeFully(this.#index, new Uint8Array(more), this.#room);
      this.#room += more;
    }
  }
}

/** The bytes of runs: small ones are combined into one write, large ones are not copied. */
function piecesOf(runs: readonly Run[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  const join = () => {
    if (small.length > 0) pieces.push(concat(small));
    small = [];
  };
  for (const { bytes } of runs) {
    if (bytes.length < LARGE) {
      small.push(bytes);
      continue;
    }
    join();
    pieces.push(bytes);
  }
  join();
  return pieces;
}

function headerSlot(firstSeq: number, now: number): Uint8Array {
  return encodeHeader({ ...blockSummary([]), firstSeq, createdAt: now, sealed: false });
}

/** Rewrites the whole index of a segment: sealed, or with space for more slots. */
export function writeIndex(
  disk: Disk,
  folder: string,
  index: { firstSeq: number; blocks: readonly IndexBlock[]; sealed: boolean; now: number },
): void {
  replaceFile(
    disk,
    { folder, name: segmentFile(index.firstSeq, "index") },
    encodeIndex(index),
  );
}

/** The bytes of an index: sealed, or with space for more slots. */
export function encodeIndex(
  { firstSeq, blocks, sealed, now }: {
    firstSeq: number;
    blocks: readonly IndexBlock[];
    sealed: boolean;
    now: number;
  },
): Uint8Array {
  const header = encodeHeader({ ...blockSummary(blocks), firstSeq, createdAt: now, sealed });
  const slots = concat([header, ...blocks.map(encodeBlock)]);
  const room = sealed ? slots.length : Math.ceil(slots.length / ROOM) * ROOM;
  const bytes = new Uint8Array(room);
  bytes.set(slots);
  return bytes;
}
