/**
 * Starts a program as the leader of its own session and process group, by `posix_spawn` of the C
 * library: nothing of this process is copied, and no second program makes the session. When
 * `start` returns, the program runs and its group exists.
 */
import { type Libc, openLibc, openPipe, openProcess, type Pipe, unblock } from "./libc.ts";
import type { Child, ChildOptions, ChildStatus } from "./child.ts";
import { chunksOf, type PipeHost, PipeWriter } from "./pipes.ts";
import { READABLE, Readiness } from "./readiness.ts";

/** Flags of `posix_spawnattr_setflags`. */
const OWN_SESSION = 0x80;
const SIGNALS_RESET = 0x04;
const SIGNALS_UNBLOCKED = 0x08;
const SIGPIPE = 13;
/** `posix_spawnattr_t` has 336 bytes, `posix_spawn_file_actions_t` 80, `sigset_t` 128. */
const ROOM = 1024;
const POINTER_BYTES = 8;
const WITHOUT_WAITING = 1;
/** The numbers of signals from 1. */
const SIGNALS = ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT " +
  "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS").split(" ");

const encoder = new TextEncoder();

/** Starts programs. */
export class PosixSpawner {
  readonly #libc: Libc;
  readonly #readiness: Readiness;
  readonly #attributes = room();
  readonly #actions = room();
  readonly #pid = new Int32Array(1);

  private constructor(libc: Libc, readiness: Readiness) {
    this.#libc = libc;
    this.#readiness = readiness;
    libc.posix_spawnattr_init(this.#attributes);
    libc.posix_spawnattr_setsigmask(this.#attributes, room());
    // This runtime ignores it, and a program must not inherit that.
    const reset = room();
    reset[(SIGPIPE - 1) >> 3] = 1 << ((SIGPIPE - 1) & 7);
    libc.posix_spawnattr_setsigdefault(this.#attributes, reset);
  }

  /** An old C library knows nothing of sessions. */
  #leadsSessions(): boolean {
    const flags = OWN_SESSION | SIGNALS_RESET | SIGNALS_UNBLOCKED;
    return this.#libc.posix_spawnattr_setflags(this.#attributes, flags) === 0;
  }

  /** Undefined where programs cannot be started this way. */
  static open(): PosixSpawner | undefined {
    const libc = openLibc();
    const readiness = libc && Readiness.open(libc);
    const spawner = libc && readiness && new PosixSpawner(libc, readiness);
    return spawner && spawner.#leadsSessions() ? spawner : undefined;
  }

  /**
   * Starts the program at `path`. Undefined if that fails, for whatever reason: nothing has been
   * started then, and another way of starting it says why.
   */
  start(path: string, options: ChildOptions): Child | undefined {
    const pipes = this.#openPipes(options);
    if (pipes === undefined) return undefined;
    const { stdin, stdout, stderr } = pipes;
    const pid = this.#spawn(path, options, pipes);
    this.#close(stdin.reads, stdout?.writes, stderr?.writes);
    if (pid === undefined) {
      this.#close(stdin.writes, stdout?.reads, stderr?.reads);
      return undefined;
    }
    const host = { libc: this.#libc, readiness: this.#readiness };
    return new SpawnedChild(host, {
      pid,
      stdin: new PipeWriter(stdin.writes, host),
      stdout: stdout && chunksOf(stdout.reads, host),
      stderr: stderr && chunksOf(stderr.reads, host),
    });
  }

  #openPipes({ stdout, stderr }: ChildOptions): Pipes | undefined {
    const open = (wanted: boolean) => wanted ? openPipe(this.#libc) : undefined;
    const [stdin, out, err] = [open(true), open(stdout === "piped"), open(stderr === "piped")];
    const isWhole = (stdout !== "piped" || out) && (stderr !== "piped" || err);
    const ours = [stdin?.writes, out?.reads, err?.reads].filter((fd) => fd !== undefined);
    if (stdin && isWhole && ours.every((fd) => unblock(this.#libc, fd))) {
      return { stdin, stdout: out, stderr: err };
    }
    for (const pipe of [stdin, out, err]) this.#close(pipe?.reads, pipe?.writes);
    return undefined;
  }

  #close(...fds: (number | undefined)[]): void {
    for (const fd of fds) if (fd !== undefined) this.#libc.close(fd);
  }

  #spawn(
    path: string,
    { command, env, starting }: ChildOptions,
    { stdin, stdout, stderr }: Pipes,
  ): number | undefined {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const strings = [path, ...command, ...variables];
    if (strings.some((text) => text.includes("\0"))) return undefined;
    starting?.(Deno.readLinkSync(`/proc/self/fd/${stdin.reads}`));
    const libc = this.#libc;
    libc.posix_spawn_file_actions_init(this.#actions);
    libc.posix_spawn_file_actions_adddup2(this.#actions, stdin.reads, 0);
    if (stderr) libc.posix_spawn_file_actions_adddup2(this.#actions, stderr.writes, 2);
    if (stdout) libc.posix_spawn_file_actions_adddup2(this.#actions, stdout.writes, 1);
    const failure = libc.posix_spawn(
      bytesOf(this.#pid),
      encoder.encode(`${path}\0`),
      this.#actions,
      this.#attributes,
      cStrings(command),
      cStrings(variables),
    );
    libc.posix_spawn_file_actions_destroy(this.#actions);
    return failure === 0 ? this.#pid[0]! : undefined;
  }
}

/** A program that was started. */
class SpawnedChild implements Child {
  readonly pid: number;
  readonly stdin: PipeWriter;
  readonly stdout: AsyncIterable<Uint8Array> | undefined;
  readonly stderr: AsyncIterable<Uint8Array> | undefined;
  readonly #host: PipeHost;
  #status: ChildStatus | undefined;

  constructor(
    host: PipeHost,
    parts: Pick<Child, "pid" | "stdout" | "stderr"> & { stdin: PipeWriter },
  ) {
    this.#host = host;
    this.pid = parts.pid;
    this.stdin = parts.stdin;
    this.stdout = parts.stdout;
    this.stderr = parts.stderr;
  }

  get hasEnded(): boolean {
    if (this.#status !== undefined) return true;
    const status = new Int32Array(1);
    const ended = this.#host.libc.waitpid(this.pid, bytesOf(status), WITHOUT_WAITING);
    if (ended === 0) return false;
    return this.#ended(ended, status);
  }

  async status(): Promise<ChildStatus> {
    const { libc, readiness } = this.#host;
    const fd = this.hasEnded ? -1 : openProcess(libc, this.pid);
    if (fd >= 0) {
      await new Promise<void>((ready) => readiness.first(fd, READABLE, ready));
      libc.close(fd);
    }
    // There was no descriptor left for it, or a debugger is told of its end before its parent is.
    if (!this.hasEnded) {
      const status = new Int32Array(1);
      this.#ended(await libc.waitpid_in_a_thread(this.pid, bytesOf(status), 0), status);
    }
    return this.#status!;
  }

  #ended(pid: number, status: Int32Array): true {
    if (pid !== this.pid) throw new Error(`nobody knows how process ${this.pid} has ended`);
    this.#status = decodeStatus(status[0]!);
    return true;
  }
}

/** Those of a program; what it has none for is inherited. */
interface Pipes {
  stdin: Pipe;
  stdout: Pipe | undefined;
  stderr: Pipe | undefined;
}

/** Memory that stays where it is: a small array without a buffer of its own may be moved. */
function room(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(ROOM));
}

function bytesOf(numbers: Int32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(numbers.buffer);
}

/** A list of strings as C has it: pointers to them up to a null, and behind that what they say. */
function cStrings(strings: readonly string[]): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(strings.map((one) => `${one}\0`).join(""));
  const textAt = (strings.length + 1) * POINTER_BYTES;
  const list = new Uint8Array(new ArrayBuffer(textAt + text.length));
  list.set(text, textAt);
  const address = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(list)));
  const pointers = new BigUint64Array(list.buffer, 0, strings.length);
  let at = textAt;
  for (let i = 0; i < strings.length; i++) {
    pointers[i] = address + BigInt(at);
    at = list.indexOf(0, at) + 1;
  }
  return list;
}

/** What `waitpid` told of a process that has ended. */
function decodeStatus(status: number): ChildStatus {
  const number = status & 0x7f;
  if (number === 0) return { code: (status >> 8) & 0xff, signal: null };
  return { code: 128 + number, signal: `SIG${SIGNALS[number - 1] ?? number}` };
}
