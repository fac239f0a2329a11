/**
 * Room kept in reserve, so that a full disk can be made less full (docs/adr/0029-full-disk.md): a
 * file of random bytes in the data dir. It is given back to the disk when taking something away
 * finds no room, and made again when there is some.
 */

/** Written at a time, bytes. Random: a file system may compress. */
const PIECE = 64 * 1024;
/** So much room is some room, bytes. */
const PROBE = 1024 * 1024;

/** A file that only takes up room. */
export class SpaceReserve {
  readonly #path: string;
  /** What it should have, bytes. */
  size: number;

  constructor(path: string, { size }: { size: number }) {
    this.#path = path;
    this.size = size;
  }

  /** What it has, bytes. */
  get held(): number {
    try {
      return Deno.statSync(this.#path).size;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  }

  /**
   * Makes it as large as it should be; false where the disk has no room for that, and then it is as
   * it was.
   */
  make(): boolean {
    const before = this.held;
    if (before >= this.size) return true;
    const piece = crypto.getRandomValues(new Uint8Array(PIECE));
    try {
      using file = Deno.openSync(this.#path, { append: true, create: true, mode: 0o600 });
      if (before === 0) Deno.chmodSync(this.#path, 0o600); // the umask may have left less
      for (let left = this.size - before; left > 0;) {
        left -= file.writeSync(piece.subarray(0, Math.min(left, PIECE)));
      }
      return true;
    } catch (error) {
      if (before === 0) removeIfThere(this.#path);
      else Deno.truncateSync(this.#path, before);
      if (isNoSpace(error)) return false;
      throw error;
    }
  }

  /** Whether as much more as a small reserve could be taken now. */
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
      removeIfThere(probe);
    }
  }

  /** Gives all of it back to the disk; false where there was nothing. */
  release(): boolean {
    if (this.held === 0) return false;
    Deno.removeSync(this.#path);
    return true;
  }

  /** Gives a piece of it back, for a line of the log; false where half of it is gone already. */
  spare(): boolean {
    const left = this.held - PIECE;
    if (left < this.size / 2) return false;
    Deno.truncateSync(this.#path, left);
    return true;
  }
}

/** The least that is kept, and the most, bytes. */
const [LEAST, MOST] = [4, 36].map((mebibytes) => mebibytes * 1024 * 1024) as [number, number];

/**
 * What should be kept beside the event database at `path`: its log has to go into it before it is
 * written over, and the database may have to grow for that.
 */
export function reserveSize(path: string): number {
  try {
    return Math.min(MOST, LEAST + Deno.statSync(`${path}-wal`).size);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return LEAST;
    throw error;
  }
}

/** True for what the system says when a disk, or a user's share of it, is full. */
export function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  // EFBIG has no code: a limit on the size of files (ulimit -f).
  const isTooLarge = error instanceof Error && /\(os error 27\)/.test(error.message);
  return code === "ENOSPC" || code === "EDQUOT" || isTooLarge;
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
