/**
 * The few things that the file store asks of a file system, so that a test can put one under it
 * that loses power.
 *
 * Reads and writes may be short, as those of the kernel are; {@link readFully} and {@link
 * writeFully} complete them. A sync that an append waits for is a promise, so that several go on at
 * once; the rare ones are waited for in place.
 */

import { DataDirError } from "../../base/errors.ts";

/** What there is in a folder. */
export interface DiskEntry {
  name: string;
  kind: "file" | "folder" | "other";
}

/** An open file. */
export interface DiskFile {
  size(): number;
  /** Bytes read at `position`; 0 at the end. */
  read(into: Uint8Array, position: number): number;
  /** Bytes written at `position`; maybe not all. */
  write(bytes: Uint8Array, position: number): number;
  truncate(length: number): void;
  /** False where the file was removed, or another one took its place. */
  hasName(): boolean;
  /**
   * Resolves when what was written survives a power cut. Until then nothing else is done with the
   * file.
   */
  sync(): Promise<void>;
  /** Takes what {@link syncBeside} needs: another descriptor. */
  prepareBeside(): void;
  /**
   * Like `sync` for what was written before the call, while the file is written to. One at a time.
   */
  syncBeside(): Promise<void>;
  /** Gives back what {@link prepareBeside} took. No such sync is under way. */
  closeBeside(): void;
  /** The same; returns when it does. */
  syncNow(): void;
  close(): void;
}

/**
 * A file system. Throws `Deno.errors.NotFound` for what is not there, the system's own error for
 * the rest.
 */
export interface Disk {
  /** Opens a file; `create` makes one that must not be there, for the owner alone. */
  open(path: string, mode: "read" | "write" | "create"): DiskFile;
  list(path: string): DiskEntry[];
  /** Bytes of a file; undefined when there is none. */
  size(path: string): number | undefined;
  /** Makes a folder for the owner alone; true when it was not there. */
  makeFolder(path: string): boolean;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Returns when the folder's entries survive a power cut. */
  syncFolder(path: string): void;
  /** Locks the folder until `close` of what it returns; undefined when somebody else has it. */
  lock(path: string): { close(): void } | undefined;
}

/** Reads until `into` is full or the file ends; returns what was read. */
export function readFully(file: DiskFile, into: Uint8Array, position: number): Uint8Array {
  let at = 0;
  while (at < into.length) {
    const count = file.read(into.subarray(at), position + at);
    if (count === 0) break;
    at += count;
  }
  return into.subarray(0, at);
}

/** Writes all of it: a short write is completed (contract row 8). */
export function writeFully(file: DiskFile, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    at += file.write(at === 0 ? bytes : bytes.subarray(at), position + at);
  }
}

/** A file's bytes; undefined when there is none. */
export function readWhole(disk: Disk, path: string): Uint8Array | undefined {
  let file: DiskFile;
  try {
    file = disk.open(path, "read");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    return readFully(file, new Uint8Array(file.size()), 0);
  } finally {
    file.close();
  }
}

/** Puts a file in place whole: after a power cut there is the old one or the new one. */
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

/** Removes a file; one that is not there is fine. */
export function removeIfThere(disk: Disk, path: string): void {
  try {
    disk.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The file system of this machine. */
export const systemDisk: Disk = {
  open(path, mode) {
    // What somebody else made there is neither read nor written through (contract row 21).
    if (isLink(path)) throw linked(path);
    const file = Deno.openSync(path, {
      read: true,
      write: mode !== "read",
      createNew: mode === "create",
      ...(mode === "create" ? { mode: 0o600 } : {}),
    });
    return new SystemFile(file, path);
  },
  list: (path) =>
    Array.from(Deno.readDirSync(path), ({ name, isFile, isDirectory }) => ({
      name,
      kind: isFile ? "file" : isDirectory ? "folder" : "other",
    })),
  size(path) {
    try {
      const { isFile, size } = Deno.lstatSync(path);
      return isFile ? size : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
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

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch (error) {
    // Opening it says so, or makes it.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

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
  /**
   * Opened for {@link syncBeside}: the runtime lets nobody write to a file of which a sync is under
   * way.
   */
  #beside: Deno.FsFile | undefined;
  /** Where the kernel's offset is, so that reading on needs no seek. */
  #at = 0;

  constructor(file: Deno.FsFile, path: string) {
    this.#file = file;
    this.#path = path;
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

  hasName(): boolean {
    return (this.#file.statSync().nlink ?? 1) > 0;
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
    this.#at = -1; // unknown until what comes now has succeeded
  }
}
