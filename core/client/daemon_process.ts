/**
 * The daemon as a process, for when nobody answers at its socket: whether one holds the data dir,
 * whether it is stopped, and a nudge to make its socket anew. Nothing here is on the way of a
 * request that is answered.
 */
import { NotAnsweringError } from "../base/errors.ts";
import { type Holder, holderFile, readHolder, socketLockFile } from "../protocol/holder.ts";
import type { Paths } from "../protocol/paths.ts";

/**
 * Who holds a data dir. Without a holder it is locked by somebody of whom nothing more is known.
 */
export interface Holding {
  holder?: Holder;
  /** As the kernel has it: `T` is stopped. */
  state?: string;
}

/** What a client asks by: the data dir's lock, or the socket's where only that was named. */
export function namedHolder({ chosen, dataDir, socket }: Paths): Holder | undefined {
  return readHolder(chosen === "socket" ? socketLockFile(socket) : holderFile(dataDir));
}

/** Who holds what these paths mean; undefined where nobody does. */
export function holding(paths: Paths): Holding | undefined {
  const holder = namedHolder(paths);
  if (holder !== undefined && hasOpen(holder.pid, holder.dataDir)) {
    return { holder, state: stateOf(holder.pid) };
  }
  const locked = paths.chosen === "socket" ? socketLockFile(paths.socket) : paths.dataDir;
  return isLocked(locked) ? {} : undefined;
}

/**
 * True while somebody holds the lock on a file or folder. A shared lock for an instant: two of
 * these never meet.
 */
export function isLocked(path: string): boolean {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true });
  } catch {
    // Not there, or another user's: nothing that this one could wait for.
    return false;
  }
  try {
    return !file.tryLockSync(false);
  } finally {
    file.close();
  }
}

/**
 * Asks a daemon to look after its socket, which is made anew if it is gone. The signal goes to
 * nobody else: the process has the data dir open, and a daemon catches it before it tells who it
 * is.
 */
export function nudge({ pid, dataDir }: Holder): void {
  if (!hasOpen(pid, dataDir)) return;
  try {
    Deno.kill(pid, "SIGHUP");
  } catch {
    // It has ended meanwhile, or belongs to somebody else: whoever waits for its socket is told so.
  }
}

/**
 * True if the process that holds it is stopped (SIGSTOP). One that is traced stops for moments
 * only.
 */
export function isStopped(held: Holding | undefined): boolean {
  return held?.state === "T";
}

/** The error of somebody who waited for an answer, with what is known of the daemon. */
export function notAnswering(
  held: Holding,
  { dataDir, socket }: Pick<Paths, "dataDir" | "socket">,
): NotAnsweringError {
  const { holder } = held;
  if (holder === undefined) {
    return new NotAnsweringError(
      `a daemon holds ${dataDir} and does not answer at ${socket}; it may be starting or stopping`,
      { hint: "evs daemon logs -n 20", details: { dataDir, socket } },
    );
  }
  const { pid } = holder;
  const stopped = isStopped(held);
  if (!stopped && !exists(holder.socket)) {
    return new NotAnsweringError(
      `the daemon (pid ${pid}) has lost its socket ${holder.socket} and cannot make it anew`,
      { hint: "evs daemon restart", details: { pid, dataDir: holder.dataDir } },
    );
  }
  const why = stopped ? ": it is stopped (SIGSTOP)" : "";
  return new NotAnsweringError(
    `the daemon (pid ${pid}) does not answer at ${holder.socket}${why}`,
    {
      hint: stopped
        ? `kill -CONT ${pid}`
        : `evs daemon logs -n 20; kill -9 ${pid} ends it and loses nothing that was acknowledged`,
      details: {
        pid,
        dataDir: holder.dataDir,
        socket: holder.socket,
        ...(stopped ? { stopped } : {}),
      },
    },
  );
}

/** True where a process has a folder open; false also where it may not be looked at. */
export function hasOpen(pid: number, folder: string): boolean {
  try {
    const real = Deno.realPathSync(folder);
    const fds = `/proc/${pid}/fd`;
    for (const { name } of Deno.readDirSync(fds)) {
      if (linkAt(`${fds}/${name}`) === real) return true;
    }
  } catch {
    // No such process, another user's, or no /proc at all.
  }
  return false;
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function linkAt(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    // Closed since the folder was listed.
    return undefined;
  }
}

function stateOf(pid: number): string | undefined {
  try {
    return /^State:\s+(\S)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
  } catch {
    // It has ended.
    return undefined;
  }
}
