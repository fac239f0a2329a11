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

/** A file that only takes up space. */
export class SpaceReserve {
  readonly #path: string;
  /** The size that it should have, bytes. */
  size: number;

  constructor(path: string, { size }: { size: number }) {
    this.#path = path;
    this.size = size;
  }

  /** The size that it has, bytes. */
  get held(): number {
    return ifThere(() => Deno.statSync(this.#path).size) ?? 0;
  }

  /**
   * Grows the file to its size; returns false, leaving it as it was, if the disk has no space for
   * that.
   */
  make(): boolean {
    const before = this.held;
    if (before >= this.size) return true;
    const piece = crypto.getRandomValues(new Uint8Array(PIECE));
    try {
      using file = Deno.openSync(this.#path, { append: true, create: true, mode: 0o600 });
      if (before === 0) Deno.chmodSync(this.#path, 0o600); // the umask may have removed some of it
      for (let left = this.size - before; left > 0;) {
        left -= file.writeSync(piece.subarray(0, Math.min(left, PIECE)));
      }
      return true;
    } catch (error) {
      if (before === 0) ifThere(() => Deno.removeSync(this.#path));
      else Deno.truncateSync(this.#path, before);
      if (isNoSpace(error)) return false;
      throw error;
    }
  }

  /** Whether the size of a small reserve could be allocated in addition now. */
  hasRoom(): boolean {
    const probe = `${this.#path}.probe`;
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
    Deno.removeSync(this.#path);
    return true;
  }

  /** Returns a piece of it, for a line of the log; false if half of it is already gone. */
  spare(): boolean {
    const left = this.held - PIECE;
    if (left < this.size / 2) return false;
    Deno.truncateSync(this.#path, left);
    return true;
  }
}

/** The smallest and the largest reserve, bytes. */
const [LEAST, MOST] = [4, 36].map((mebibytes) => mebibytes * 1024 * 1024) as [number, number];

/**
 * The reserve needed for the event database at `path`: its log has to be checkpointed before it can
 * be overwritten, and the database may have to grow for that.
 */
export function reserveSize(path: string): number {
  const log = ifThere(() => Deno.statSync(`${path}-wal`).size) ?? 0;
  return Math.min(MOST, LEAST + log);
}

/** True for the error of a full disk or a used-up quota. */
export function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  // EFBIG has no code: a limit on the size of files (ulimit -f).
  const isTooLarge = error instanceof Error && /\(os error 27\)/.test(error.message);
  return code === "ENOSPC" || code === "EDQUOT" || isTooLarge;
}
