/**
 * Files, folders and sockets of a simulated disk, and what of them survives a power cut.
 *
 * A file keeps what each write since its last sync has overwritten: after a power cut each of its
 * sectors, and its length, is as it was at some moment since then. A folder keeps its changes since
 * its last sync: a part of them, from the first on, has happened.
 */
import type { Random } from "../types.ts";

const SECTOR = 512;
const EMPTY = new Uint8Array(0);

interface Undo {
  position: number;
  /** What was there; shorter than what was written if the file grew. */
  before: Uint8Array;
  /** Where the write ended. */
  end: number;
  length: number;
}

/** What all have in common. */
export class Inode {
  readonly number: number;
  mode: number;
  /** Unix ms, by the wall clock. */
  mtime: number;
  /** How many names it has. */
  names = 0;
  /** The open files that hold a lock on it. */
  readonly locks = new Map<object, "shared" | "exclusive">();
  /** Who waits for one. */
  readonly lockWaiters: (() => void)[] = [];

  constructor(number: number, mode: number, mtime: number) {
    this.number = number;
    this.mode = mode;
    this.mtime = mtime;
  }
}

/** A socket's file. */
export class SocketNode extends Inode {
  /** Who listens; undefined once nobody does. */
  listener: object | undefined;
}

/** A file. */
export class FileNode extends Inode {
  #room: Uint8Array<ArrayBuffer> = EMPTY;
  length = 0;
  /** Only its length counts: a file of 8 MiB that only takes up space costs no memory. */
  hollow = false;
  #undo: Undo[] = [];
  /** Changes that are durable, so that a sync can say up to which one it reached. */
  #synced = 0;

  get bytes(): Uint8Array {
    if (this.hollow) return new Uint8Array(this.length);
    return this.#room.subarray(0, this.length);
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (this.hollow) return void (this.length = Math.max(this.length, end));
    const before = this.#room.slice(position, Math.min(end, this.length));
    this.#undo.push({ position, before, end, length: this.length });
    if (end > this.#room.length) {
      const room = new Uint8Array(Math.max(end, 2 * this.#room.length, 256));
      room.set(this.bytes);
      this.#room = room;
    }
    if (position > this.length) this.#room.fill(0, this.length, position);
    this.#room.set(bytes, position);
    this.length = Math.max(this.length, end);
  }

  truncate(length: number): void {
    if (this.hollow) return void (this.length = length);
    if (length > this.length) return this.write(new Uint8Array(length - this.length), this.length);
    const before = this.#room.slice(length, this.length);
    this.#undo.push({ position: length, before, end: this.length, length: this.length });
    this.length = length;
  }

  /** What a sync that begins now makes durable. */
  get written(): number {
    return this.#synced + this.#undo.length;
  }

  sync(written = this.written): void {
    if (written <= this.#synced) return;
    this.#undo.splice(0, written - this.#synced);
    this.#synced = written;
  }

  get isSynced(): boolean {
    return this.#undo.length === 0;
  }

  /** Takes back what did not survive; it is all durable then. */
  cutPower(random: Random): void {
    const undo = this.#undo;
    if (undo.length === 0) return;
    // As on a file system that keeps the order, all sectors are of the same moment; or each of its
    // own.
    const ordered = random.chance(1 / 3) ? random.int(0, undo.length) : undefined;
    const moment = () => ordered ?? random.int(0, undo.length);
    const length = lengthAt(undo, moment(), this.length);
    const now = this.bytes.slice();
    const longest = Math.max(this.length, ...undo.map((one) => one.length));
    const states = new Uint8Array(Math.max(longest, length));
    states.set(now);
    const kept = new Map<number, number>();
    for (let at = undo.length - 1; at >= 0; at--) {
      const { position, before, end } = undo[at]!;
      const last = Math.ceil(Math.max(end, position + before.length) / SECTOR);
      for (let sector = Math.floor(position / SECTOR); sector < last; sector++) {
        let upTo = kept.get(sector);
        if (upTo === undefined) kept.set(sector, upTo = moment());
        if (at < upTo) continue;
        const from = Math.max(position, sector * SECTOR);
        const to = Math.min(Math.max(end, position + before.length), (sector + 1) * SECTOR);
        for (let byte = from; byte < to; byte++) states[byte] = before[byte - position] ?? 0;
      }
    }
    this.#room = states.slice(0, length);
    this.length = length;
    this.#synced += undo.length;
    this.#undo = [];
  }

  /** Changes it durably, as decay does: no sync undoes it. */
  set(bytes: Uint8Array): void {
    this.#room = bytes.slice();
    this.length = bytes.length;
    this.#synced += this.#undo.length;
    this.#undo = [];
  }
}

/** How long the file was when `moment` of the changes had happened. */
function lengthAt(undo: readonly Undo[], moment: number, now: number): number {
  return moment === undo.length ? now : undo[moment]!.length;
}

/** A change to a folder: one name for a rename within it has two. */
export interface FolderChange {
  names: { name: string; before: Inode | undefined; after: Inode | undefined }[];
  /** The other folder of a rename: if what it gained is lost, what this one lost is back. */
  other?: { folder: FolderNode; change: FolderChange };
}

/** A folder. */
export class FolderNode extends Inode {
  readonly entries = new Map<string, Inode>();
  changes: FolderChange[] = [];

  change(change: FolderChange): void {
    for (const { name, before, after } of change.names) {
      if (before !== undefined) before.names--;
      if (after !== undefined) after.names++;
      if (after === undefined) this.entries.delete(name);
      else this.entries.set(name, after);
    }
    this.changes.push(change);
  }

  sync(): void {
    this.changes = [];
  }

  /** Takes back what did not survive. */
  cutPower(random: Random): void {
    const kept = random.int(0, this.changes.length);
    for (let lost = this.changes.length - kept; lost > 0; lost--) this.undo(this.changes.at(-1)!);
    this.changes = [];
  }

  /** Takes back its last change, or one that the power cut has not come to yet. */
  undo(change: FolderChange): void {
    const at = this.changes.indexOf(change);
    if (at < 0) return;
    for (const undone of this.changes.splice(at).toReversed()) {
      for (const { name, before, after } of undone.names.toReversed()) {
        if (after !== undefined) after.names--;
        if (before !== undefined) before.names++;
        if (before === undefined) this.entries.delete(name);
        else this.entries.set(name, before);
      }
      if (undone.other !== undefined) undone.other.folder.undo(undone.other.change);
    }
  }
}
