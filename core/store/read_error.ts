/**
 * Reads that the machine refused (EIO, no memory): the file may be as it should, so this is neither
 * damage nor a bug of ours.
 */
import { DataDirError, EvsError } from "../base/errors.ts";

/** SQLite's codes for failures of the machine, whatever the file contains. */
const [SQLITE_NOMEM, SQLITE_IOERR] = [7, 10];
/** The shared index of the write-ahead log could not grow, which amounts to a full disk. */
const SQLITE_IOERR_SHMSIZE = 10 | (19 << 8);
/**
 * The same as text: errors of `exec` and of opening may carry no code, and the system's own (EIO,
 * ENOMEM) have none of these.
 */
const REFUSED = /disk I\/O error|out of memory|\(os error (?:5|12)\)/;

/** True for an error of SQLite or of the system that says nothing of what the file contains. */
export function isRefusedByMachine(error: unknown): error is Error {
  const code = (error as { errcode?: number } | undefined)?.errcode ?? 0;
  if (code === SQLITE_IOERR_SHMSIZE || !(error instanceof Error)) return false;
  return [SQLITE_NOMEM, SQLITE_IOERR].includes(code & 0xff) ||
    code === 0 && REFUSED.test(error.message);
}

/**
 * The error for `what`, which the machine refused to read; other errors are returned unchanged. So is
 * one that says already what failed: a sync that did is no read, and ends the daemon.
 */
export function asReadError(error: unknown, what: string): unknown {
  if (!isRefusedByMachine(error) || error instanceof EvsError) return error;
  return new DataDirError(
    "datadir/unreadable",
    `${what} could not be read: ${error.message}; nothing was changed`,
    {
      cause: error,
      hint: "look at the disk and the memory of this machine (dmesg), then try again",
    },
  );
}
