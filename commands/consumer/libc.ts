/**
 * The functions of the C library that start a process and wait for what it does. Deno has no way to
 * start one as the leader of a session without copying the runtime's page tables; `posix_spawn` has.
 * Where they cannot be called (another system or C library, an old kernel, no permission), callers
 * do without.
 */

/** With the GNU C library on Linux; the layouts and numbers below are those of its 64-bit systems. */
const LIBRARY = "libc.so.6";

const SYMBOLS = {
  close: { parameters: ["i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: {
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  posix_spawn_file_actions_adddup2: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  signal: { parameters: ["i32", "usize"], result: "usize" },
  syscall: { parameters: ["i64", "i32", "u32"], result: "i64" },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  waitpid_in_a_thread: {
    name: "waitpid",
    parameters: ["i32", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Its functions, as C has them: -1 is a failure, except for `posix_spawn`. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/**
 * Opens the C library; undefined if it cannot be called, its kernel is too old, or there is no
 * `/proc`, which names pipes.
 */
export function openLibc(): Libc | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const libc = Deno.dlopen(LIBRARY, SYMBOLS).symbols;
    Deno.readLinkSync("/proc/self/fd/0");
    if (ignoresEnds()) libc.signal(SIGCHLD, DEFAULT_ACTION);
    const fd = openProcess(libc, Deno.pid);
    if (fd < 0) return undefined;
    libc.close(fd);
    return libc;
  } catch {
    // Callers do without.
    return undefined;
  }
}

const SIGCHLD = 17;
const DEFAULT_ACTION = 0n;

/**
 * True if whoever started this process has it ignore `SIGCHLD`: then nobody is told how a program
 * has ended, and programs that it starts inherit that.
 */
function ignoresEnds(): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const ignored = BigInt(`0x${/^SigIgn:\s*(\w+)/m.exec(status)![1]}`);
  return (ignored >> BigInt(SIGCHLD - 1) & 1n) === 1n;
}

const PIDFD_OPEN = 434n;

/** A descriptor that can be read when the process has ended; -1 if there is none. */
export function openProcess(libc: Libc, pid: number): number {
  return Number(libc.syscall(PIDFD_OPEN, pid, 0));
}

/** For descriptors that no other program inherits (`O_CLOEXEC`). */
export const CLOSE_ON_EXEC = 0o2000000;
const SET_FLAGS = 4;
const NONBLOCKING = 0o4000;

/** The two ends of one. */
export interface Pipe {
  reads: number;
  writes: number;
}

/** A new pipe; undefined if there are no descriptors left. */
export function openPipe(libc: Libc): Pipe | undefined {
  const ends = new Int32Array(2);
  if (libc.pipe2(new Uint8Array(ends.buffer), CLOSE_ON_EXEC) < 0) return undefined;
  return { reads: ends[0]!, writes: ends[1]! };
}

/** Calls on this end of a pipe do not block any more; those on the other one do. */
export function unblock(libc: Libc, fd: number): boolean {
  return libc.fcntl(fd, SET_FLAGS, NONBLOCKING) === 0;
}
