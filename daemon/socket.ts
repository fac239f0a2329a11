/**
 * The socket's path: freed only while holding the lock, and only if it is a socket that nobody
 * answers (contract row 14).
 */
import { assertSocketLength, folderOf } from "../core/protocol/paths.ts";
import { SocketError } from "../core/base/errors.ts";
import { lstat } from "../core/base/if_there.ts";
import { giveToGroup, letGroupEnter, type SocketGroup } from "./socket_group.ts";

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Creates the socket's folder (0700) if it does not exist; refuses a folder in which others could
 * swap the socket. With a group, its members may enter a folder that is the socket's alone (0750).
 */
export function prepareSocketFolder(socket: string, group?: SocketGroup): void {
  assertSocketLength(socket);
  const folder = folderOf(socket);
  if (!lstat(folder)) Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const info = Deno.statSync(folder);
  const mode = info.mode ?? 0;
  const foreign = info.uid !== null && info.uid !== Deno.uid() && info.uid !== 0;
  if (foreign || ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0)) {
    throw new SocketError(
      "socket/unsafe",
      `others can replace what is in the socket's folder ${folder}`,
      {
        hint: "set EVS_SOCKET to a path in a folder that only you can write to",
      },
    );
  }
  if (group !== undefined) letGroupEnter(folder, { socket, group });
}

/**
 * Removes a stale socket. Anything else at that path is left alone, with an error. Call it while
 * holding the lock.
 */
export async function freeSocketPath(socket: string): Promise<void> {
  const info = lstat(socket);
  if (!info) return;
  if (!info.isSocket) {
    throw new SocketError(
      "socket/not-ours",
      `${socket} is there and is not a socket; it was left alone`,
      {
        hint: "move it away, or set EVS_SOCKET to another path",
      },
    );
  }
  if (await answers(socket)) {
    throw new SocketError("socket/in-use", `something answers at ${socket}; it was left alone`, {
      hint: "evs daemon status shows whether it is a daemon; EVS_SOCKET chooses another path",
    });
  }
  Deno.removeSync(socket);
}

async function answers(socket: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: socket })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw new SocketError("socket/not-ours", `cannot tell what ${socket} is; it was left alone`, {
      cause: error,
    });
  }
}

/** Restricts the socket to its owner, and a group if there is one, whatever the umask was. */
export function protectSocket(socket: string, group?: SocketGroup): void {
  const wanted = group === undefined ? 0o600 : 0o660;
  // The group first: the mode must not let in the one before.
  if (group !== undefined) giveToGroup(socket, group);
  Deno.chmodSync(socket, wanted);
  const mode = (Deno.lstatSync(socket).mode ?? 0) & 0o777;
  if (mode === wanted) return;
  throw new SocketError(
    "socket/unsafe",
    `the mode of ${socket} is ${mode.toString(8)} and could not be made ${wanted.toString(8)}`,
    {
      hint: "set EVS_SOCKET to a path on a local file system",
    },
  );
}

/** Removes our own socket, if it is still there. */
export function removeSocket(socket: string): void {
  try {
    Deno.removeSync(socket);
  } catch {
    // Somebody has already removed it, or its folder.
  }
}

/**
 * Identifies what is at a path. Inode numbers are reused, so it also tells a socket from anything
 * else. Undefined if nothing is there or a folder on the way is gone.
 */
export function identityAt(path: string): string | undefined {
  try {
    const { dev, ino, isSocket } = Deno.lstatSync(path);
    return `${dev}:${ino}:${isSocket ? "socket" : "file"}`;
  } catch {
    return undefined;
  }
}
