/**
 * Who holds a data dir. A kernel lock carries no information, so its holder writes some beside it:
 * the socket it listens on, and its process. It is valid while the lock is held. To tell it from
 * what a killed daemon left behind, check whether that process has the data dir open.
 */

import { SocketError } from "../base/errors.ts";
import { folderOf, type Paths, SHORT_FOLDER, SYSTEM_SOCKET } from "./paths.ts";

/** What a daemon records about itself. */
export interface Holder {
  pid: number;
  /** The socket it listens on. */
  socket: string;
  dataDir: string;
  config: string;
  /** From the command line; a setting that comes only from the config file is not recorded. */
  store?: string;
  durability?: string;
  /**
   * True if it runs under a process that waits for it to end (`evs daemon run`, a service manager,
   * `evs with`).
   */
  foreground?: boolean;
}

/** Larger than any file we write, in bytes. Anything longer is not ours. */
const LONGEST = 64 * 1024;

/** The file that names the holder of a data dir. */
export function holderFile(dataDir: string): string {
  return `${dataDir}/daemon.json`;
}

/** The file that names the holder of a socket; also the lock file of that socket. */
export function socketLockFile(socket: string): string {
  return `${socket}.lock`;
}

/**
 * What a daemon locks while it waits to replace another one. Between the moment when the old one
 * releases the data dir and the moment when the kernel runs the new one, nobody holds the data dir:
 * only this lock shows that there is a daemon.
 */
export function successorLock(dataDir: string): string {
  return `${dataDir}/log`;
}

/**
 * Reads what a holder wrote; undefined if there is no such file, or none that this user may read.
 */
export function readHolder(path: string): Holder | undefined {
  let text: string;
  try {
    const info = Deno.lstatSync(path);
    if (!info.isFile || info.size > LONGEST) return undefined;
    text = Deno.readTextFileSync(path);
  } catch {
    // Missing, or not readable by us.
    return undefined;
  }
  return parseHolder(text);
}

/** Parses the text of such a file. Pure. */
export function parseHolder(text: string): Holder | undefined {
  let value: Partial<Record<keyof Holder, unknown>>;
  try {
    value = JSON.parse(text);
  } catch {
    // It is being written right now, or it is not ours.
    return undefined;
  }
  const isHolder = typeof value === "object" && value !== null && Number.isInteger(value.pid) &&
    [value.socket, value.dataDir, value.config].every((path) =>
      typeof path === "string" && path.startsWith("/")
    );
  return isHolder ? value as Holder : undefined;
}

/**
 * Where a daemon may listen, in the order in which to look. Throws `SocketError` if that is in a
 * folder that another user has made where ours belongs.
 */
export function socketCandidates({ chosen, dataDir, socket }: Paths): Set<string> {
  if (socket.startsWith(SHORT_FOLDER)) assertOwnFolder(folderOf(socket));
  if (chosen === "socket") return new Set([socket]);
  const named = readHolder(holderFile(dataDir))?.socket;
  return new Set([
    ...(named === undefined ? [] : [named]),
    socket,
    ...(chosen === "nothing" ? [SYSTEM_SOCKET] : []),
  ]);
}

/** Anybody may make a folder in /tmp first, and listen there for what we publish. */
function assertOwnFolder(folder: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(folder);
  } catch {
    // Missing, or not to be looked at: connecting says what is wrong.
    return;
  }
  if (info.isDirectory && info.uid === Deno.uid()) return;
  throw new SocketError(
    "socket/unsafe",
    `${folder}, where the socket belongs, is somebody else's`,
    {
      hint: "set EVS_SOCKET to a path in a folder that only you can write to",
      details: { folder },
    },
  );
}
