/**
 * The few file system operations that the file store needs, so that a test can substitute a disk
 * that loses power.
 *
 * Reads and writes may be short, like the kernel's; {@link readFully} and {@link writeFully}
 * complete them. Syncs that an append waits for are promises, so that several can run at once; the
 * rare ones block.
 */

import { ifThere, lstat } from "../../base/if_there.ts";
import { DataDirError } from "../../base/errors.ts";

/** An entry in a folder. */
export interface DiskEntry {
  name: string;
  kind: "file" | "folder" | "other";
}

/** An open file. */
export interface DiskFile {
  size(): number;
  /** Returns the number of bytes read at `position`; 0 at the end of the file. */
  read(into: Uint8Array, position: number): number;
  /** Returns the number of bytes written at `position`, which may be fewer than given. */
  write(bytes: Uint8Array, position: number): number;
  truncate(length: number): void;
  /** False if the file was removed, moved or replaced by another one. */
  hasName(): boolean;
  /** Resolves when written data would survive a power cut. The file must not be used until then. */
  sync(): Promise<void>;
  /** Opens the second descriptor that {@link syncBeside} needs. */
  prepareBeside(): void;
  /**
   * Like `sync` for data written before the call, but writes may go on meanwhile. One at a time.
   */
  syncBeside(): Promise<void>;
  /** Closes the descriptor of {@link prepareBeside}. No such sync may be under way. */
  closeBeside(): void;
  /** Like `sync`, but blocks until it is done. */
  syncNow(): void;
  close(): void;
}

/**
 * A file system. Throws `Deno.errors.NotFound` for missing files, and the system's own errors
 * otherwise.
 */
export interface Disk {
  /** Opens a file; `create` creates a new one, mode 0600, and fails if it exists. */
  open(path: string, mode: "read" | "write" | "create"): DiskFile;
  list(path: string): DiskEntry[];
  /** Size of a file in bytes; undefined if it does not exist. */
  size(path: string): number | undefined;
  /** Creates a folder with mode 0700; false if it already existed. */
  makeFolder(path: string): boolean;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Returns when the folder's entries would survive a power cut. */
  syncFolder(path: string): void;
  /**
   * Locks the folder until `close` is called on the result; undefined if another process holds it.
   */
  lock(path: string): { close(): void } | undefined;
}

/** Reads until `into` is full or the file ends; returns the part that was filled. */
export function readFully(file: DiskFile, into: Uint8Array, position: number): Uint8Array {
  let at = 0;
  while (at < into.length) {
    const count = file.read(into.subarray(at), position + at);
    if (count === 0) break;
    at += count;
  }
  return into.subarray(0, at);
}

/** Writes all of it, completing short writes (contract row 8). */
export function writeFully(file: DiskFile, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    at += file.write(at === 0 ? bytes : bytes.subarray(at), position + at);
  }
}

/** The contents of a file; undefined if it does not exist. */
export function readWhole(disk: Disk, path: string): Uint8Array | undefined {
  const file = ifThere(() => disk.open(path, "read"));
  if (!file) return undefined;
  try {
    return readFully(file, new Uint8Array(file.size()), 0);
  } finally {
    file.close();
  }
}

/** Replaces a file atomically: after a power cut either the old or the new one is there. */
export function replaceFile(
  disk: Disk,
  path: { folder: string; name: string },
  bytes: Uint8Array,
): void {
  const target = `${path.folder}/${path.name}`;
  const unfinished = `${target}.new`;
  removeIfThere(disk, unfinished);
  const file = disk.open(unfinished, "create");
  try {
    writeFully(file, bytes, 0);
    file.syncNow();
  } finally {
    file.close();
  }
  disk.rename(unfinished, target);
  disk.syncFolder(path.folder);
}

/** Removes a file if it exists. */
export function removeIfThere(disk: Disk, path: string): void {
  ifThere(() => disk.remove(path));
}

/** The real file system. */
export const systemDisk: Disk = {
  open(path, mode) {
    // Never read or write through a link that someone else may have put there (contract row 21).
    if (lstat(path)?.isSymlink) throw linked(path);
    const file = Deno.openSync(path, {
      read: true,
      write: mode !== "read",
      createNew: mode === "create",
      ...(mode === "create" ? { mode: 0o600 } : {}),
    });
    // Only what is written to is asked for its name.
    return new SystemFile(file, path, mode === "read" ? undefined : file.statSync());
  },
  list: (path) =>
    Array.from(Deno.readDirSync(path), ({ name, isFile, isDirectory }) => ({
      name,
      kind: isFile ? "file" : isDirectory ? "folder" : "other",
    })),
  size(path) {
    const info = lstat(path);
    return info?.isFile ? info.size : undefined;
  },
  makeFolder(path) {
    try {
      Deno.mkdirSync(path, { mode: 0o700 });
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
  },
  rename: (from, to) => Deno.renameSync(from, to),
  remove: (path) => Deno.removeSync(path),
  syncFolder(path) {
    const folder = Deno.openSync(path, { read: true });
    try {
      folder.syncSync();
    } finally {
      folder.close();
    }
  },
  lock(path) {
    const folder = Deno.openSync(path, { read: true });
    if (folder.tryLockSync(true)) return folder;
    folder.close();
    return undefined;
  },
};

function linked(path: string): DataDirError {
  return new DataDirError(
    "datadir/unsafe",
    `${path} is a symbolic link; nothing was read or written through it`,
    { hint: "put the file itself in its place, or move the link away" },
  );
}

class SystemFile implements DiskFile {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #own: Pick<Deno.FileInfo, "dev" | "ino"> | undefined;
  /**
   * For {@link syncBeside}: the runtime refuses writes to a file while a sync of it is under way.
   */
  #beside: Deno.FsFile | undefined;
  /** The kernel's file offset, so that sequential reads need no seek. */
  #at = 0;

  constructor(
    file: Deno.FsFile,
    path: string,
    own: Pick<Deno.FileInfo, "dev" | "ino"> | undefined,
  ) {
    this.#file = file;
    this.#path = path;
    this.#own = own;
  }

  size(): number {
    return this.#file.statSync().size;
  }

  read(into: Uint8Array, position: number): number {
    this.#seek(position);
    const count = this.#file.readSync(into) ?? 0;
    this.#at = position + count;
    return count;
  }

  write(bytes: Uint8Array, position: number): number {
    this.#seek(position);
    const count = this.#file.writeSync(bytes);
    this.#at = position + count;
    return count;
  }

  truncate(length: number): void {
    this.#file.truncateSync(length);
  }

  /**
   * By its name: before the runtime looks at an open file, it looks at each folder of its path
   * (a system call each, several times as long as this).
   */
  hasName(): boolean {
    const named = lstat(this.#path);
    return named !== undefined && named.ino === this.#own?.ino && named.dev === this.#own.dev;
  }

  sync(): Promise<void> {
    return this.#file.syncData();
  }

  syncNow(): void {
    this.#file.syncDataSync();
  }

  prepareBeside(): void {
    this.#beside ??= Deno.openSync(this.#path, { read: true, write: true });
  }

  syncBeside(): Promise<void> {
    return this.#beside!.syncData();
  }

  closeBeside(): void {
    this.#beside?.close();
    this.#beside = undefined;
  }

  close(): void {
    this.closeBeside();
    this.#file.close();
  }

  #seek(position: number): void {
    if (position !== this.#at) this.#file.seekSync(position, Deno.SeekMode.Start);
    this.#at = -1; // unknown until the next read or write succeeds
  }
}
