/**
 * Removes from a database's files what was changed or deleted: the write-ahead log is emptied, and
 * bytes of the database that belong to nothing are overwritten with zeros, where they lie.
 *
 * `secure_delete` does not do that for what was left before it was set, and VACUUM needs to attach a
 * second database, which the daemon's permissions exclude. Overwriting unused bytes changes nothing
 * that SQLite reads, so a crash at any moment does no harm, and it takes no space.
 */
import type { DatabaseSync } from "node:sqlite";
import { CannotStoreError } from "../../base/errors.ts";
import { shellQuote } from "../../base/shell_quote.ts";
import { asSqliteStoreError } from "./sqlite_error.ts";
import {
  type ByteRange,
  type DatabaseLayout,
  layoutOf,
  type OverflowStart,
  trunkOf,
  unusedIn,
} from "./unused_space.ts";

/** Bytes read at once, at least one page. */
const STEP = 1024 * 1024;

/**
 * Empties the log and keeps others from writing until {@link endScrub}; in between, what belongs to
 * nothing can be overwritten. Throws `CannotStoreError` if somebody reads or writes the database, or
 * it cannot grow.
 */
export function beginScrub(database: DatabaseSync, path: string): void {
  try {
    // Prepared, because errors of `exec` carry no code, and a full disk would look like a bug.
    const { busy } = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
    if (busy !== 0) throw isRead(path);
    database.prepare("BEGIN IMMEDIATE").run();
  } catch (error) {
    throw asSqliteStoreError(error, { path, kept: "old bytes are still in its files" });
  }
}

/** Lets others write again, and drops pages from memory that have the overwritten bytes. */
export function endScrub(database: DatabaseSync): void {
  database.exec("ROLLBACK; PRAGMA shrink_memory");
}

/**
 * Overwrites what belongs to nothing. Closing any file of a database drops all locks that the
 * process has on it (fcntl(2)): this one stays open until its databases are closed.
 */
export class PageScrubber {
  readonly #path: string;
  #file: Deno.FsFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Empties the log of `database` and overwrites; the database must be that at the path. */
  scrub(database: DatabaseSync): void {
    beginScrub(database, this.#path);
    try {
      this.overwrite();
    } finally {
      endScrub(database);
    }
  }

  /** Overwrites; between {@link beginScrub} and {@link endScrub}. */
  overwrite(): void {
    const file = this.#file ??= Deno.openSync(this.#path, { read: true, write: true });
    new Overwriting(file).run();
    file.syncDataSync();
  }

  /** Call it when all databases at the path are closed. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

class Overwriting {
  readonly #file: Deno.FsFile;
  readonly #layout: DatabaseLayout;
  readonly #count: number;
  /** The first four bytes of each page: of an overflow page, the number of the next one. */
  readonly #next: Uint32Array;
  readonly #overflows: OverflowStart[] = [];

  constructor(file: Deno.FsFile) {
    this.#file = file;
    this.#layout = layoutOf(this.#read(0, 100));
    this.#count = Math.floor(file.statSync().size / this.#layout.pageSize);
    this.#next = new Uint32Array(this.#count + 1);
  }

  run(): void {
    const free = this.#overwriteFreelist();
    const { pageSize, usable } = this.#layout;
    const pages = Math.max(1, Math.floor(STEP / pageSize));
    for (let first = 1; first <= this.#count; first += pages) {
      const bytes = this.#read(
        (first - 1) * pageSize,
        Math.min(pages, this.#count - first + 1) * pageSize,
      );
      for (let at = 0; at + pageSize <= bytes.length; at += pageSize) {
        const number = first + at / pageSize;
        const page = bytes.subarray(at, at + pageSize);
        this.#next[number] = new DataView(page.buffer, page.byteOffset, 4).getUint32(0);
        const found = free.has(number) ? undefined : unusedIn(page, { number, usable });
        for (const range of found?.ranges ?? []) this.#overwrite(number, page, range);
        this.#overflows.push(...found?.overflows ?? []);
      }
    }
    for (const overflow of this.#overflows) this.#overwriteEnd(overflow, free);
  }

  /** Returns its pages. */
  #overwriteFreelist(): Set<number> {
    const free = new Set<number>();
    const { firstTrunk, pageSize } = this.#layout;
    for (let trunk = firstTrunk; trunk > 1 && trunk <= this.#count && !free.has(trunk);) {
      free.add(trunk);
      const page = this.#page(trunk);
      const { next, leaves, unused } = trunkOf(page, this.#layout);
      this.#overwrite(trunk, page, unused);
      for (const leaf of leaves) {
        if (leaf < 2 || leaf > this.#count || free.has(leaf)) continue;
        free.add(leaf);
        this.#overwrite(leaf, this.#page(leaf), { start: 0, end: pageSize });
      }
      trunk = next;
    }
    return free;
  }

  /** The rest of the last page on which a cell goes on. */
  #overwriteEnd({ page, bytes }: OverflowStart, free: ReadonlySet<number>): void {
    const { usable } = this.#layout;
    let left = bytes;
    for (; left > usable - 4; left -= usable - 4) page = this.#next[page] ?? 0;
    // A chain that leads nowhere is damage, and not ours to change.
    if (page < 2 || page > this.#count || free.has(page) || this.#next[page] !== 0) return;
    this.#overwrite(page, this.#page(page), { start: 4 + left, end: usable });
  }

  #overwrite(number: number, page: Uint8Array, { start, end }: ByteRange): void {
    if (page.subarray(start, end).every((byte) => byte === 0)) return;
    const position = (number - 1) * this.#layout.pageSize + start;
    const zeros = new Uint8Array(end - start);
    this.#file.seekSync(position, Deno.SeekMode.Start);
    for (let at = 0; at < zeros.length;) at += this.#file.writeSync(zeros.subarray(at));
  }

  #page(number: number): Uint8Array {
    const { pageSize } = this.#layout;
    return this.#read((number - 1) * pageSize, pageSize);
  }

  #read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#file.seekSync(position, Deno.SeekMode.Start);
    for (let at = 0; at < length;) {
      const count = this.#file.readSync(bytes.subarray(at));
      if (count === null) return bytes.subarray(0, at);
      at += count;
    }
    return bytes;
  }
}

function isRead(path: string): CannotStoreError {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return new CannotStoreError(
    `somebody is reading ${file}, so that its log cannot be emptied: old bytes are still in it`,
    {
      code: "store/busy",
      hint: `end the program that reads it (fuser ${
        shellQuote(path)
      } names it), then the same again`,
    },
  );
}
