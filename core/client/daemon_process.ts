/**
 * The daemon as a process, for when nobody answers at its socket: whether one holds the data dir,
 * whether it is stopped, and a signal to make it create its socket again. Requests that are
 * answered never need this.
 */
import { NotAnsweringError } from "../base/errors.ts";
export { AwakeTime, setPatientTimer } from "../base/standstill.ts";
import {
  type Holder,
  holderFile,
  readHolder,
  socketLockFile,
  successorLock,
} from "../protocol/holder.ts";
import type { Paths } from "../protocol/paths.ts";

/** Who holds a data dir. Without a `holder`, it is locked by an unknown process. */
export interface Holding {
  holder?: Holder;
  /** As reported by the kernel: `T` is stopped. */
  state?: string;
}

/** Who holds the daemon's place for these paths; undefined if nobody does. */
export function holding(paths: Paths): Holding | undefined {
  const { chosen, dataDir, socket } = paths;
  // The holder named in the data dir's lock, or in the socket's lock if only a socket was given.
  const file = chosen === "socket" ? socketLockFile(socket) : holderFile(dataDir);
  const holder = readHolder(file);
  if (
    holder !== undefined && hasOpen(holder.pid, holder.dataDir) && isWrittenBy(holder.pid, file)
  ) {
    return { holder, state: stateOf(holder.pid) };
  }
  return locksOf(paths, holder).some(isLocked) ? {} : undefined;
}

/**
 * The locks that show a daemon, in the order in which they have to be looked at: a successor lets go
 * of its own once it holds the data dir.
 */
function locksOf({ chosen, dataDir, socket }: Paths, holder: Holder | undefined): string[] {
  if (chosen !== "socket") return [successorLock(dataDir), dataDir];
  const lock = socketLockFile(socket);
  if (holder === undefined) return [lock];
  const serving = readHolder(holderFile(holder.dataDir));
  // Its data dir may be another daemon's by now, which listens elsewhere.
  const isElsewhere = serving !== undefined && serving.socket !== socket;
  return isElsewhere ? [lock] : [successorLock(holder.dataDir), holder.dataDir, lock];
}

/** How long a process has waited for a processor so far, ms; 0 if that is not known. */
export function processorWait({ holder }: Holding): number {
  try {
    const [, ns] = Deno.readTextFileSync(`/proc/${holder!.pid}/schedstat`).split(" ");
    return Number(ns) / 1e6 || 0;
  } catch {
    // No such process, an unknown one, or no /proc at all.
    return 0;
  }
}

/**
 * True while another process holds the lock on a file or folder. Tests with a shared lock for an
 * instant, so that two such tests never conflict.
 */
export function isLocked(path: string): boolean {
  let file: Deno.FsFile;
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    // Opening anything else may wait for ever: whoever may write to a socket's folder names it.
    if (!isFile && !isDirectory) return false;
    file = Deno.openSync(path, { read: true });
  } catch {
    // Missing, or another user's: nothing to wait for.
    return false;
  }
  try {
    return !file.tryLockSync(false);
  } finally {
    file.close();
  }
}

/**
 * Asks a daemon to check its socket and create it again if it is gone. The signal can hit nobody
 * else: the process has the data dir open, and a daemon installs its handler before it writes its
 * pid.
 */
export function nudge({ pid, dataDir }: Holder): void {
  if (!hasOpen(pid, dataDir)) return;
  try {
    Deno.kill(pid, "SIGHUP");
  } catch {
    // It has ended meanwhile or belongs to another user; waiting for its socket will show that.
  }
}

/**
 * True if the process that holds it is stopped (SIGSTOP). A traced process stops only for moments.
 */
export function isStopped(held: Holding | undefined): boolean {
  return held?.state === "T";
}

/** The error for a caller that got no answer, with what is known of the daemon. */
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
  if (!stopped && !hasSocket(holder)) {
    const isTaken = atSocket(holder) !== undefined;
    return new NotAnsweringError(
      `the daemon (pid ${pid}) has lost its socket ${holder.socket} and cannot create it again`,
      {
        hint: isTaken
          ? `move away what is in its place: ls -l ${holder.socket}`
          : "evs daemon restart",
        details: { pid, dataDir: holder.dataDir },
      },
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

/** True if a process has a folder open; false also if that cannot be checked. */
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

/**
 * True if a file belongs to the user of a process. Where others can create files, they can name any
 * process and any folder that it has open, and signals would end that process.
 */
function isWrittenBy(pid: number, file: string): boolean {
  try {
    return Deno.lstatSync(file).uid === Deno.statSync(`/proc/${pid}`).uid;
  } catch {
    // One of them is gone.
    return false;
  }
}

/** False for a daemon whose socket was removed, also if something else is in its place. */
export function hasSocket(holder: Holder): boolean {
  return atSocket(holder)?.isSocket === true;
}

/** What is at the path of its socket; undefined if nothing is, or nothing that can be looked at. */
function atSocket({ socket }: Holder): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(socket);
  } catch {
    // Missing, or its folder is closed to us: there is nothing to connect to either way.
    return undefined;
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
    // The process has ended.
    return undefined;
  }
}
