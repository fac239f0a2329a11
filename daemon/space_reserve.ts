/**
 * Space kept in reserve, so that a full disk can be cleaned up (docs/adr/0029-full-disk.md): a file
 * of random bytes in the data dir. It is given up when a deletion finds no space, and recreated
 * when there is some.
 */
import { ifThere } from "../core/base/if_there.ts";

/** Written at a time, bytes. Random, because a file system may compress. */
const PIECE = 64 * 1024;
/** This much counts as free space, bytes. */
const PROBE = 1024 * 1024;

/** The most that the log may take before the reserve is full again, bytes. */
const SPARED = 1024 * 1024;
/** Left free when the reserve takes back all the space there is, bytes. */
const LEFT = 256 * 1024;

/**
 * The smallest reserve, bytes: enough for one deletion step in SQLite and for the growth of the
 * state database. If the event database may grow by more, its writer enlarges the reserve
 * (core/store/sqlite/log_growth.ts).
 */
export const RESERVE = 8 * 1024 * 1024;

/** A file that only takes up space. */
export class SpaceReserve {
  readonly path: string;
  /** The size that it should have at least, bytes. */
  readonly size: number;
  #spared = 0;

  constructor(path: string, { size }: { size: number }) {
    this.path = path;
    this.size = size;
  }

  /** The size that it has, bytes. */
  get held(): number {
    return ifThere(() => Deno.statSync(this.path).size) ?? 0;
  }

  /** Grows the file to its minimum size; returns false if the disk has no space for that. */
  make(): boolean {
    const isThere = this.grow(this.size);
    if (isThere) this.#spared = 0;
    return isThere;
  }

  /**
   * Grows the file to at least this size. If the disk has no space for that, it takes half of the
   * free space and returns false.
   */
  grow(size: number): boolean {
    return this.#take(size, (found) => Math.floor(found / 2));
  }

  /** Recreates a reserve that was lent; if there is less space, it takes nearly all of it. */
  takeBack(size: number): boolean {
    return this.#take(size, (found) => Math.max(0, found - LEFT));
  }

  #take(size: number, share: (found: number) => number): boolean {
    const before = this.held;
    if (before >= size) return true;
    const piece = crypto.getRandomValues(new Uint8Array(PIECE));
    let written = 0;
    try {
      using file = Deno.openSync(this.path, { append: true, create: true, mode: 0o600 });
      if (before === 0) Deno.chmodSync(this.path, 0o600); // the umask may have removed some of it
      while (before + written < size) {
        written += file.writeSync(piece.subarray(0, Math.min(size - before - written, PIECE)));
      }
      return true;
    } catch (error) {
      const kept = before + (isNoSpace(error) ? share(written) : 0);
      if (kept === 0) ifThere(() => Deno.removeSync(this.path));
      else Deno.truncateSync(this.path, kept);
      if (isNoSpace(error)) return false;
      throw error;
    }
  }

  /** Whether the size of a small reserve could be allocated in addition now. */
  hasRoom(): boolean {
    const probe = `${this.path}.probe`;
    const piece = crypto.getRandomValues(new Uint8Array(PIECE));
    try {
      using file = Deno.openSync(probe, { write: true, create: true, truncate: true, mode: 0o600 });
      for (let left = PROBE; left > 0;) left -= file.writeSync(piece);
      return true;
    } catch (error) {
      if (isNoSpace(error)) return false;
      throw error;
    } finally {
      ifThere(() => Deno.removeSync(probe));
    }
  }

  /** Returns all of it to the disk; false if there was nothing. */
  release(): boolean {
    if (this.held === 0) return false;
    Deno.removeSync(this.path);
    return true;
  }

  /**
   * Releases the reserve if the disk is full, for a start or a stop; {@link takeBack} recreates it.
   * Returns the size that it had, or 0 if nothing was released.
   */
  lendIfFull(): number {
    const { held } = this;
    return held > 0 && !this.hasRoom() && this.release() ? held : 0;
  }

  /** Returns a piece of it, for a line of the log; false if that happened too often already. */
  spare(): boolean {
    const left = this.held - PIECE;
    if (left < 0 || this.#spared + PIECE > Math.min(this.size / 2, SPARED)) return false;
    this.#spared += PIECE;
    Deno.truncateSync(this.path, left);
    return true;
  }
}

/** True for the error of a full disk or a used-up quota. */
export function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  // EFBIG has no code: a limit on the size of files (ulimit -f).
  const isTooLarge = error instanceof Error && /\(os error 27\)/.test(error.message);
  return code === "ENOSPC" || code === "EDQUOT" || isTooLarge;
}
