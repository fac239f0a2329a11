/** Maps SQLite's errors to errors for publishers. */
import {
  CannotStoreError,
  DataDirError,
  FILE_SIZE_LIMIT,
  InternalError,
} from "../../base/errors.ts";
import { ifThere } from "../../base/if_there.ts";
import { isRefusedByMachine } from "../read_error.ts";

/** SQLite's primary result codes that get special handling (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_FULL = 13;
/** The shared index of the write-ahead log could not grow, which amounts to a full disk. */
const SQLITE_IOERR_SHMSIZE = 10 | (19 << 8);
/** A write failed, but not for a full disk; a limit on the size of files is one reason. */
const SQLITE_IOERR_WRITE = 10 | (3 << 8);

/**
 * The error for a database that could not be opened because of the machine; as far as we know, the
 * file is fine. Undefined for other errors.
 */
export function asUnreadable(error: unknown, path: string): DataDirError | undefined {
  if (!isRefusedByMachine(error)) return undefined;
  return new DataDirError(
    "datadir/unreadable",
    `${path} could not be read: ${error.message}; it was left untouched`,
    {
      cause: error,
      hint: "look at the disk and the memory of this machine (dmesg), then start again",
    },
  );
}

/** The database that an error comes from. */
export interface FailedDatabase {
  /** The path of its file. */
  path: string;
  /** Its name in messages; default: the event database. */
  name?: string;
  /** For the message of a full disk: what was not stored, and what is safe. */
  kept?: string;
}

/** Maps a SQLite error to one of ours; other errors are returned unchanged. */
export function asSqliteStoreError(
  error: unknown,
  {
    path,
    name = "event database",
    kept = "nothing of this was stored, what was acknowledged is safe",
  }: FailedDatabase,
): unknown {
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) return error;
  const message = (error as Error).message;
  const file = path.slice(path.lastIndexOf("/") + 1);
  if (code === SQLITE_IOERR_WRITE && isTooLarge(path)) {
    return new CannotStoreError(
      `${file} may not grow any further (ulimit -f): ${kept}`,
      {
        code: FILE_SIZE_LIMIT,
        cause: error,
        hint: "start the daemon without a limit on the size of files (ulimit -f unlimited)",
      },
    );
  }
  switch (code === SQLITE_IOERR_SHMSIZE ? SQLITE_FULL : code & 0xff) {
    case SQLITE_FULL:
      return new CannotStoreError(`the disk is full: ${kept}`, {
        code: "store/disk-full",
        cause: error,
        hint: "make room; publishing works again by itself",
      });
    case SQLITE_BUSY:
      return new CannotStoreError(`the ${name} is locked by another program: ${message}`, {
        code: "store/busy",
        cause: error,
        hint: `end the program that writes to ${file}, then try again`,
      });
    case SQLITE_READONLY:
      return new CannotStoreError(`the ${name} ${path} cannot be written to: ${message}`, {
        code: "system/refused",
        cause: error,
        hint: "its file and its folder have to be writable for the user of the daemon",
      });
    default:
      return new InternalError(`SQLite failed on the ${name} (${code}): ${message}`, {
        cause: error,
        details: { errcode: code },
      });
  }
}

/**
 * Returns whether a database or its log has reached a limit on the size of files (`ulimit -f`).
 * SQLite does not report why a write failed, so this writes one byte to another file, just beyond
 * the end of the longer of the two.
 */
function isTooLarge(path: string): boolean {
  const probe = `${path}.probe`;
  try {
    const length = Math.max(...[path, `${path}-wal`].map((file) => Deno.statSync(file).size));
    using file = Deno.openSync(probe, { write: true, create: true, mode: 0o600 });
    file.seekSync(length, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(1));
    return false;
  } catch (error) {
    return error instanceof Error && /\(os error 27\)/.test(error.message);
  } finally {
    ifThere(() => Deno.removeSync(probe));
  }
}
