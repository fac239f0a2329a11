/** What SQLite's errors mean to who publishes. */
import { CannotStoreError, InternalError } from "../../base/errors.ts";

/** SQLite's primary result codes that are told apart (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
/** The shared index of the write-ahead log could not grow: as good as a full disk. */
const SQLITE_IOERR_SHMSIZE = 10 | (19 << 8);

/** The error as one of ours; one that is not of SQLite is returned as it is. */
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
