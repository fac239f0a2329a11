/** Maps SQLite's errors to errors for publishers. */
import { CannotStoreError, DataDirError, InternalError } from "../../base/errors.ts";

/** SQLite's primary result codes that get special handling (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
/** The shared index of the write-ahead log could not grow, which amounts to a full disk. */
const SQLITE_IOERR_SHMSIZE = 10 | (19 << 8);

/** SQLite's codes for failures of the machine, whatever the file contains. */
const [SQLITE_NOMEM, SQLITE_IOERR] = [7, 10];
/**
 * The same as text: errors of `exec` and of opening may carry no code, and the system's own (EIO,
 * ENOMEM) have none of these.
 */
const REFUSED = /disk I\/O error|out of memory|\(os error (?:5|12)\)/;

/**
 * The error for a database that could not be opened because of the machine; as far as we know, the
 * file is fine. Undefined for other errors.
 */
export function asUnreadable(error: unknown, path: string): DataDirError | undefined {
  const code = (error as { errcode?: number }).errcode ?? 0;
  if (code === SQLITE_IOERR_SHMSIZE || !(error instanceof Error)) return undefined;
  const isRefused = [SQLITE_NOMEM, SQLITE_IOERR].includes(code & 0xff) ||
    code === 0 && REFUSED.test(error.message);
  if (!isRefused) return undefined;
  return new DataDirError(
    "datadir/unreadable",
    `${path} could not be read: ${error.message}; it was left untouched`,
    {
      cause: error,
      hint: "look at the disk and the memory of this machine (dmesg), then start again",
    },
  );
}

/** Maps a SQLite error to one of ours; other errors are returned unchanged. */
export function asSqliteStoreError(error: unknown): unknown {
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) return error;
  const message = (error as Error).message;
  switch (code === SQLITE_IOERR_SHMSIZE ? SQLITE_FULL : code & 0xff) {
    case SQLITE_FULL:
      return new CannotStoreError(
        "the disk is full: nothing of this was stored, what was acknowledged is safe",
        {
          code: "store/disk-full",
          cause: error,
          hint: "make room; publishing works again by itself",
        },
      );
    case SQLITE_BUSY:
      return new CannotStoreError(`the event database is locked by another program: ${message}`, {
        code: "store/busy",
        cause: error,
        hint: "end the program that writes to events.db, then publish again",
      });
    default:
      return new InternalError(`SQLite failed (${code}): ${message}`, {
        cause: error,
        details: { errcode: code },
      });
  }
}
