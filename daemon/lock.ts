/**
 * One daemon per data dir, one per socket: kernel locks (flock) that last as long as the process.
 * The data dir itself is locked; a socket cannot be opened as a file, so a file beside it is
 * locked.
 */
import { ifThere, lstat } from "../core/base/if_there.ts";
import { successorLock } from "../core/protocol/holder.ts";
import { DataDirError, SocketError } from "../core/base/errors.ts";

/** A lock that is held until the process ends or `release` is called. */
export interface HeldLock {
  release(): void;
}

/**
 * A client that checks for a lock holds it for an instant. It is not a daemon and will release it
 * soon, ms.
 */
const LOOKERS_MS = 100;
const LOOK_AGAIN_MS = 5;

/** Locks the data dir; throws if another daemon has it. */
export function lockDataDir(dataDir: string): HeldLock {
  const lock = tryLock(Deno.openSync(dataDir, { read: true }));
  if (lock) return lock;
  throw new DataDirError("datadir/locked", `another daemon uses the data dir ${dataDir}`, {
    hint:
      "evs daemon status shows it; evs daemon stop ends it; EVS_DATA_DIR chooses another data dir",
  });
}

/**
 * The same for a daemon that replaces another: waits until that one has released the lock.
 * `waiting` is called if it has to wait. While it waits it holds the successor lock, unless there
 * is no log folder to lock.
 */
export async function takeOverDataDir(dataDir: string, waiting: () => void): Promise<HeldLock> {
  const file = Deno.openSync(dataDir, { read: true });
  if (!file.tryLockSync(true)) {
    const log = ifThere(() => Deno.openSync(successorLock(dataDir), { read: true }));
    // If there are two successors, one lock is enough.
    const successor = log && tryLock(log);
    waiting();
    await file.lock(true);
    successor?.release();
  }
  return { release: () => file.close() };
}

/** Locks the socket's path; throws if another daemon has it. */
export function lockSocket(socket: string): HeldLock {
  const path = `${socket}.lock`;
  const found = lstat(path);
  if (found && !found.isFile) {
    throw new SocketError("socket/unsafe", `${path} is not a plain file; it was left alone`, {
      hint: "look at what it is and move it away, or set EVS_SOCKET to another path",
    });
  }
  // Its owner could keep it locked, and tell clients of another process.
  if (found && found.uid !== Deno.uid()) {
    throw new SocketError("socket/unsafe", `${path} belongs to somebody else; it was left alone`, {
      hint: "set EVS_SOCKET to a path in a folder that only you can write to",
    });
  }
  const lock = tryLock(Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 }));
  if (lock) return lock;
  throw new SocketError("socket/in-use", `another daemon is starting or serving at ${socket}`, {
    hint: "evs daemon status shows it; EVS_SOCKET chooses another path",
  });
}

function tryLock(file: Deno.FsFile): HeldLock | undefined {
  for (let waited = 0; waited < LOOKERS_MS; waited += LOOK_AGAIN_MS) {
    if (file.tryLockSync(true)) return { release: () => file.close() };
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
  file.close();
  return undefined;
}
