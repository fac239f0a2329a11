/**
 * Allows one writer per database: a broker caches what it wrote, so a second one would assign the
 * same seqs.
 *
 * SQLite's own locks last only for a transaction, and a process does not see those of its other
 * connections. So a file beside the database is locked (flock) while it is open. Locking the
 * database itself would not do, because closing that descriptor would release SQLite's locks. The
 * lock file names the process that holds it and is removed on release.
 */
import { ifThere, lstat } from "../../base/if_there.ts";
import { defined } from "../../base/defined.ts";
import { DataDirError } from "../../base/errors.ts";

/** A lock that is held until it is released or the process ends. */
export interface DatabaseLock {
  release(): void;
}

/** Locks the database at `path`; throws `DataDirError` (`datadir/locked`) naming the holder. */
export function lockDatabase(path: string): DatabaseLock {
  if (path === ":memory:" || path === "") return { release() {} };
  refuseDaemons(path);
  // A database that is not there yet is made when it is opened.
  const beside = `${ifThere(() => Deno.realPathSync(path)) ?? path}.lock`;
  for (;;) {
    const there = lstat(beside);
    if (there && !there.isFile) throw unsafe(beside);
    const file = Deno.openSync(beside, { read: true, write: true, create: true, mode: 0o600 });
    if (!file.tryLockSync(true)) {
      const holder = holderOf(file);
      file.close();
      throw lockedError(path, holder);
    }
    // The previous holder may have removed the file between the two calls. Then others lock a new
    // file, not this one.
    if (!isAt(file, beside)) {
      file.close();
      continue;
    }
    refuseForeign(file, beside);
    file.truncateSync(0);
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
    return {
      release() {
        // Somebody may have taken it, or the folder, away: then nobody finds it any more.
        ifThere(() => Deno.removeSync(beside));
        file.close();
      },
    };
  }
}

/** Opens what was locked, and releases the lock if that fails. */
export function openLocked<T>(lock: DatabaseLock | undefined, open: () => T): T {
  try {
    return open();
  } catch (error) {
    lock?.release();
    throw error;
  }
}

function lockedError(path: string, holder: number | undefined): DataDirError {
  const who = holder === undefined
    ? "another process"
    : holder === Deno.pid
    ? "another broker of this process"
    : `the process ${holder}`;
  return new DataDirError("datadir/locked", `${who} has the database ${path} open`, {
    details: defined({ path, pid: holder }),
    hint: "close it there, choose another file, or share one daemon: connect()",
  });
}

/** The process named in the file; undefined while it is being written. */
function holderOf(file: Deno.FsFile): number | undefined {
  const [, pid] = /^(\d{1,10})\n$/.exec(textOf(file)) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

/**
 * Throws for a file that is not one of our locks, and leaves it alone. A lock is not synced: a power
 * cut may leave a part of it, or zeros.
 */
function refuseForeign(file: Deno.FsFile, path: string): void {
  if (/^[\d\n\0]{0,11}$/.test(textOf(file))) return;
  file.close();
  throw unsafe(path);
}

function unsafe(path: string): DataDirError {
  return new DataDirError(
    "datadir/unsafe",
    `${path} is not the lock of a database; it was left alone`,
    { details: { path }, hint: "move it away, or choose another file for the database" },
  );
}

/** The start of the file: a lock of ours is shorter than this. */
function textOf(file: Deno.FsFile): string {
  file.seekSync(0, Deno.SeekMode.Start);
  const bytes = new Uint8Array(32);
  return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
}

function isAt(file: Deno.FsFile, path: string): boolean {
  const own = file.statSync();
  const there = lstat(path);
  return there !== undefined && own.ino === there.ino && own.dev === there.dev;
}

/** A daemon locks its whole data dir, not the databases in it. */
function refuseDaemons(path: string): void {
  const folder = /^(.*)\/[^/]*$/.exec(path)?.[1] ?? ".";
  if (!hasDaemonLog(folder)) return;
  const opened = Deno.openSync(folder === "" ? "/" : folder, { read: true });
  try {
    if (opened.tryLockSync(false)) return;
  } finally {
    opened.close();
  }
  throw new DataDirError("datadir/locked", `a daemon has the database ${path} open`, {
    details: { path },
    hint: "share it: connect(); or evs daemon stop",
  });
}

function hasDaemonLog(folder: string): boolean {
  try {
    return lstat(`${folder}/log/daemon.log`) !== undefined;
  } catch (error) {
    // A plain file called log has nothing below it.
    if (error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
