/**
 * One daemon per data dir, one per socket: kernel locks (flock) that live and die with the process. The data dir is
 * locked itself; a socket cannot be opened as a file, so a file beside it is.
 */
import { DataDirError, SocketError } from "../core/base/errors.ts";

/** A lock that is held until the process ends or `release` is called. */
export interface HeldLock {
  release(): void;
}

/** Locks the data dir, or says in words that another daemon has it. */
export function lockDataDir(dataDir: string): HeldLock {
  const lock = tryLock(Deno.openSync(dataDir, { read: true }));
  if (lock) return lock;
  throw new DataDirError("datadir/locked", `another daemon uses the data dir ${dataDir}`, {
    hint:
      "evs daemon status shows it; evs daemon stop ends it; EVS_DATA_DIR chooses another data dir",
  });
}

/** Locks the socket's path, or says in words that another daemon has it. */
export function lockSocket(socket: string): HeldLock {
  const path = `${socket}.lock`;
  const found = lstat(path);
  if (found && !found.isFile) {
    throw new SocketError("socket/unsafe", `${path} is not a plain file; it was left alone`, {
      hint: "look at what it is and move it away, or set EVS_SOCKET to another path",
    });
  }
  const lock = tryLock(Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 }));
  if (lock) return lock;
  throw new SocketError("socket/in-use", `another daemon is starting or serving at ${socket}`, {
    hint: "evs daemon status shows it; EVS_SOCKET chooses another path",
  });
}

function tryLock(file: Deno.FsFile): HeldLock | undefined {
  if (file.tryLockSync(true)) return { release: () => file.close() };
  file.close();
  return undefined;
}

/** What is at a path, links not followed; undefined when nothing is. */
export function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
