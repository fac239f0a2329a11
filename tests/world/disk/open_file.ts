/** Open files of a simulated disk, with the methods of `Deno.FsFile` that the program uses. */
import { currentProcess, currentThread, type SimProcess } from "../engine/process.ts";
import type { Scheduler } from "../engine/scheduler.ts";
import { real } from "../engine/real.ts";
import type { Random } from "../types.ts";
import type { DiskCall, DiskCalls } from "./calls.ts";
import type { DatabaseFiles } from "./databases.ts";
import { osError } from "./errors.ts";
import { FileNode, FolderNode, type Inode } from "./inode.ts";

/** What open files need of their machine. */
export interface OpenFileHost {
  calls: DiskCalls;
  scheduler: Scheduler;
  databases: DatabaseFiles;
  wallClock(): number;
  /** How long things take. */
  random: Random;
}

/** What the two kinds of open files share: the calls that take time, and locks. */
abstract class OpenFileBase {
  protected readonly process: SimProcess = currentProcess();
  readonly path: string;
  protected readonly host: OpenFileHost;
  #closed = false;

  constructor(path: string, host: OpenFileHost) {
    this.path = path;
    this.host = host;
    this.process.resources.add(this);
  }

  abstract statSync(): Deno.FileInfo;
  abstract readSync(into: Uint8Array): number | null;
  abstract writeSync(bytes: Uint8Array): number;
  abstract truncateSync(length?: number): void;
  abstract seekSync(offset: number | bigint, whence: Deno.SeekMode): number;
  protected abstract prepareSync(): () => void;
  protected abstract give(): void;

  protected begin(call: Omit<DiskCall, "path">): number {
    if (this.#closed) throw osError("BadResource", this.path);
    return this.host.calls.begin(this.process, { ...call, path: this.path });
  }

  /** Does `work` after a while; the file must be open until then. */
  protected later<T>(work: () => T): Promise<T> {
    const { scheduler, random } = this.host;
    const thread = currentThread();
    return new Promise((resolve, reject) => {
      scheduler.after(0.05 + random.next() * (random.chance(0.05) ? 40 : 2), {
        kind: "disk",
        thread,
        run: () => {
          try {
            resolve(work());
          } catch (error) {
            reject(error);
          }
        },
      });
    });
  }

  stat(): Promise<Deno.FileInfo> {
    return this.later(() => this.statSync());
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.later(() => this.readSync(into));
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.later(() => this.writeSync(bytes));
  }

  truncate(length?: number): Promise<void> {
    return this.later(() => this.truncateSync(length));
  }

  seek(offset: number | bigint, whence: Deno.SeekMode): Promise<number> {
    return Promise.try(() => this.seekSync(offset, whence));
  }

  /** What was written before the call is durable when it resolves. */
  syncData(): Promise<void> {
    return Promise.try(() => {
      const done = this.prepareSync();
      return this.later(() => {
        this.begin({ op: "sync" });
        done();
      });
    });
  }

  sync(): Promise<void> {
    return this.syncData();
  }

  syncDataSync(): void {
    this.begin({ op: "sync" });
    this.prepareSync()();
  }

  syncSync(): void {
    this.syncDataSync();
  }

  close(): void {
    if (this.#closed) throw osError("BadResource", this.path);
    this.abandon();
    this.process.resources.delete(this);
  }

  /** Its process has ended, or it is closed. */
  abandon(): void {
    this.#closed = true;
    this.give();
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.close();
  }
}

/** A file or folder of the simulated disk. */
export class OpenFile extends OpenFileBase {
  readonly #node: Inode;
  readonly #appends: boolean;
  readonly #writes: boolean;
  #at = 0;

  constructor(
    node: Inode,
    options: { path: string; appends: boolean; writes: boolean },
    host: OpenFileHost,
  ) {
    super(options.path, host);
    this.#node = node;
    this.#appends = options.appends;
    this.#writes = options.writes;
  }

  get #file(): FileNode {
    if (!(this.#node instanceof FileNode)) throw osError("IsADirectory", this.path);
    return this.#node;
  }

  statSync(): Deno.FileInfo {
    return infoOf(this.#node);
  }

  readSync(into: Uint8Array): number | null {
    this.begin({ op: "read" });
    const bytes = this.#file.bytes.subarray(this.#at, this.#at + into.length);
    if (bytes.length === 0 && into.length > 0) return null;
    into.set(bytes);
    this.#at += bytes.length;
    return bytes.length;
  }

  writeSync(bytes: Uint8Array): number {
    if (!this.#writes) throw osError("BadResource", this.path);
    const file = this.#file;
    const at = this.#appends ? file.length : this.#at;
    const grows = Math.max(0, at + bytes.length - file.length);
    const count = this.begin({ op: "write", bytes: bytes.length, grows });
    file.write(bytes.slice(0, count), at);
    file.mtime = this.host.wallClock();
    this.#at = at + count;
    return count;
  }

  truncateSync(length = 0): void {
    this.begin({ op: "truncate", grows: length - this.#file.length });
    this.#file.truncate(length);
    this.#file.mtime = this.host.wallClock();
  }

  seekSync(offset: number | bigint, whence: Deno.SeekMode): number {
    const from = whence === Deno.SeekMode.Start
      ? 0
      : whence === Deno.SeekMode.End
      ? this.#file.length
      : this.#at;
    return this.#at = from + Number(offset);
  }

  protected prepareSync(): () => void {
    const node = this.#node;
    if (node instanceof FolderNode) return () => node.sync();
    if (!(node instanceof FileNode)) return () => {};
    const { written } = node;
    return () => node.sync(written);
  }

  tryLockSync(exclusive = false): boolean {
    const { locks } = this.#node;
    const others = [...locks].filter(([holder]) => holder !== this);
    if (others.some(([, kind]) => exclusive || kind === "exclusive")) return false;
    locks.set(this, exclusive ? "exclusive" : "shared");
    return true;
  }

  async lock(exclusive = false): Promise<void> {
    while (!this.tryLockSync(exclusive)) {
      const thread = currentThread();
      await new Promise<void>((resolve) => {
        this.#node.lockWaiters.push(() =>
          void this.host.scheduler.after(0, { kind: "disk", thread, run: resolve })
        );
      });
    }
  }

  unlockSync(): void {
    this.#node.locks.delete(this);
    for (const waiter of this.#node.lockWaiters.splice(0)) waiter();
  }

  protected give(): void {
    if (this.#node.locks.has(this)) this.unlockSync();
  }
}

/** A database that is read beside SQLite: the real file. */
export class OpenDatabase extends OpenFileBase {
  readonly #file: Deno.FsFile;

  constructor(path: string, options: Deno.OpenOptions, host: OpenFileHost) {
    super(path, host);
    this.#file = real.Deno.openSync(path, options);
  }

  statSync(): Deno.FileInfo {
    return this.host.databases.stat(this.path);
  }

  readSync(into: Uint8Array): number | null {
    this.begin({ op: "read" });
    return this.#file.readSync(into);
  }

  writeSync(bytes: Uint8Array): number {
    return this.#file.writeSync(
      bytes.subarray(0, this.begin({ op: "write", bytes: bytes.length })),
    );
  }

  truncateSync(length?: number): void {
    this.begin({ op: "truncate" });
    this.#file.truncateSync(length);
  }

  seekSync(offset: number | bigint, whence: Deno.SeekMode): number {
    return this.#file.seekSync(offset, whence);
  }

  protected prepareSync(): () => void {
    const { path, host: { databases } } = this;
    const mark = path.endsWith("-wal") ? databases.written(path) : undefined;
    return () => mark?.();
  }

  protected give(): void {
    this.#file.close();
  }
}

/** What `stat` says of something on the simulated disk. */
export function infoOf(node: Inode): Deno.FileInfo {
  const kind = node instanceof FileNode ? "file" : node instanceof FolderNode ? "folder" : "socket";
  const time = new Date(node.mtime);
  return {
    isFile: kind === "file",
    isDirectory: kind === "folder",
    isSymlink: false,
    isSocket: kind === "socket",
    isFifo: false,
    isBlockDevice: false,
    isCharDevice: false,
    size: node instanceof FileNode ? node.length : 4096,
    mode: node.mode | { file: 0o100000, folder: 0o040000, socket: 0o140000 }[kind],
    mtime: time,
    atime: time,
    birthtime: time,
    ctime: time,
    dev: 1,
    ino: node.number,
    nlink: kind === "folder" ? Math.max(2 * node.names, 0) : node.names,
    uid: real.Deno.uid(),
    gid: 0,
    rdev: 0,
    blksize: 4096,
    blocks: 8,
  };
}
