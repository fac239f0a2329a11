/**
 * The socket and the locks of a data dir. Locks belong to the kernel and end with their process, so
 * a lock is never stale. What can be left over is a socket that nobody listens on, and what can go
 * wrong is a process that holds the lock without answering. This takes no locks to find out: Linux
 * lists them (proc_locks(5)); elsewhere only the socket is checked.
 */
import type { Check, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";

export const socket: Check = {
  name: "socket",
  *look({ dataDir, socket, status }): Generator<Finding> {
    if (status) return; // it answers
    const holder = lockHolder(dataDir);
    if (holder !== undefined) {
      yield {
        level: "warning",
        where: dataDir,
        what:
          `process ${holder} holds the lock of the data dir and does not answer at ${socket}; ` +
          "what is stored is safe, and no other daemon can start on it",
        hint:
          `see what it is (ps -p ${holder}), set EVS_SOCKET to where it listens, or end it: kill ${holder}`,
        details: { pid: holder },
      };
      return;
    }
    if (!exists(socket)) return;
    yield Deno.lstatSync(socket).isSocket
      ? {
        level: "warning",
        where: socket,
        what: "a stale socket: left by a daemon that did not stop cleanly; nothing is lost",
        hint: "evs daemon start takes its place",
      }
      : {
        level: "warning",
        where: socket,
        what: "it is in the socket's place but is not a socket: a daemon refuses to start there",
        hint: "look at what it is and move it away, or set EVS_SOCKET to another path",
      };
  },
};

/**
 * The process that holds the lock (flock) on a folder; undefined if there is none, or no way to
 * tell.
 */
function lockHolder(folder: string): number | undefined {
  if (!exists("/proc/locks")) return undefined;
  const { ino, dev } = Deno.statSync(folder);
  for (const line of Deno.readTextFileSync("/proc/locks").split("\n")) {
    // 1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF
    const [, pid, major, minor, inode] =
      /FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)/.exec(line) ?? [];
    if (pid === undefined || Number(inode) !== ino || Number(pid) <= 0) continue;
    if (device(parseInt(major!, 16), parseInt(minor!, 16)) === dev) return Number(pid);
  }
  return undefined;
}

/** glibc's `makedev`, for numbers of the usual sizes. */
function device(major: number, minor: number): number {
  return (minor & 0xff) + major * 256 + (minor >> 8) * 2 ** 20;
}
