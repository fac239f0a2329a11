/**
 * One writer for a database: a broker keeps in memory what it wrote, so a second one would give out
 * the same numbers.
 *
 * SQLite's own locks are held for a transaction only, and a process cannot see those of its own
 * other connections. So a file beside the database is locked (flock) for as long as it is open. The
 * database itself is not: closing it would let go of SQLite's locks, too. The file names the
 * process that has it, and is removed with the lock.
 */
import { DataDirError } from "../../base/errors.ts";

/** A lock that is held until the process ends or it is released. */
export interface DatabaseLock {
  release(): void;
}

/** Locks the database at `path`; throws `DataDirError` (`datadir/locked`) that says who has it. */
export function lockDatabase(path: string): DatabaseLock {
  if (path === ":memory:" || path === "") return { release() {} };
  refuseDaemons(path);
  const beside = `${realPath(path)}.lock`;
  for (;;) {
    const there = lstat(beside);
    if (there && !there.isFile) throw unsafe(beside);
    const file = Deno.openSync(beside, { read: true, write: true, create: true, mode: 0o600 });
    if (!file.tryLockSync(true)) {
      const holder = holderOf(file);
      file.close();
      throw lockedError(path, holder);
    }
    // Whoever had it may have removed it between the two calls: then this is no longer the file
    // that others lock.
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
        removeIfThere(beside);
        file.close();
      },
    };
  }
}

/** Opens what was locked; the lock goes where that fails. */
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
    details: { path, ...(holder === undefined ? {} : { pid: holder }) },
    hint: "close it there, choose another file, or share one daemon: connect()",
  });
}

/** The process that is named in the file; undefined while it is written. */
function holderOf(file: Deno.FsFile): number | undefined {
  const [, pid] = /^(\d{1,10})\n$/.exec(textOf(file)) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

/** Throws for a file that is no lock of ours: it is somebody's, and is left alone. */
function refuseForeign(file: Deno.FsFile, path: string): void {
  if (/^(?:\d{1,10}\n)?$/.test(textOf(file))) return;
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

/** How the file begins: a lock of ours is shorter. */
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

/** A daemon locks its data dir as a whole, not the databases in it. */
function refuseDaemons(path: string): void {
  const folder = /^(.*)\/[^/]*$/.exec(path)?.[1] ?? ".";
  if (!lstat(`${folder}/log/daemon.log`)) return;
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

function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    // It is made when it is opened.
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    // Somebody took it, or the folder, away: then nobody finds it any more.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
