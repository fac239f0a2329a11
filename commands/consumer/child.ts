/**
 * Starts a program in a session and a process group of its own, with a pipe to its stdin: by the C
 * library where it can be called, otherwise by Deno.
 */
import { moduleState } from "../../core/base/module_state.ts";
import { PosixSpawner } from "./posix_spawn.ts";
import { findProgram, inOwnSession, SETSID } from "./session.ts";

/** What is started. */
export interface ChildOptions {
  command: readonly string[];
  /** Its complete environment, in whose `PATH` the program is looked for. */
  env: Readonly<Record<string, string>>;
  stdout: "inherit" | "piped";
  stderr: "inherit" | "piped";
  /** Called with how `/proc` names its stdin before it runs, where that is known. */
  starting?: (stdin: string) => void;
}

/** A program that was started. It keeps this process alive only while something is waited for. */
export interface Child {
  readonly pid: number;
  readonly stdin: ChildInput;
  /** Undefined if it is inherited; so is the next one. */
  readonly stdout: AsyncIterable<Uint8Array> | undefined;
  readonly stderr: AsyncIterable<Uint8Array> | undefined;
  readonly hasEnded: boolean;
  /** Waits for its end. */
  status(): Promise<ChildStatus>;
}

/** The stdin of a program. One that does not read it is not an error: how it ends counts. */
export interface ChildInput {
  write(bytes: Uint8Array): void;
  /** Closes it when all is written. */
  end(): void;
  /** Closes it now. */
  cut(): void;
}

/** How a program ended. */
export interface ChildStatus {
  code: number;
  /** The name of the signal that ended it. */
  signal: string | null;
}

const spawner = moduleState(() => ({ byLibc: PosixSpawner.open() }));

/** Starts a program. Throws what `Deno.Command` throws. */
export function startChild(options: ChildOptions): Child {
  return startByLibc(options) ?? startByDeno(options);
}

/** By the C library; undefined if that fails. */
export function startByLibc(options: ChildOptions): Child | undefined {
  const path = findProgram(options.command[0], options.env["PATH"]);
  return path === undefined ? undefined : spawner().byLibc?.start(path, options);
}

/** By Deno, through `setsid` where that is there. */
export function startByDeno({ command, env, stdout, stderr }: ChildOptions): Child {
  const own = inOwnSession(command, { path: env["PATH"], setsid: SETSID });
  const child = new Deno.Command(own.program, {
    args: own.args,
    env,
    clearEnv: true,
    stdin: "piped",
    stdout,
    stderr,
    detached: own.detached,
  }).spawn();
  child.unref();
  let hasEnded = false;
  const status = child.status.catch(unnamedSignal).finally(() => hasEnded = true);
  return {
    pid: child.pid,
    stdin: inputOf(child.stdin.getWriter()),
    stdout: stdout === "piped" ? child.stdout : undefined,
    stderr: stderr === "piped" ? child.stderr : undefined,
    get hasEnded() {
      return hasEnded;
    },
    status() {
      child.ref();
      return status;
    },
  };
}

/** What `Deno.Command` says of a process that a signal ended for which it has no name. */
function unnamedSignal(error: unknown): ChildStatus {
  const number = /^Invalid signal: (\d+)$/.exec(error instanceof TypeError ? error.message : "")
    ?.[1];
  if (number === undefined) throw error;
  return { code: 128 + Number(number), signal: `SIG${number}` };
}

function inputOf(writer: WritableStreamDefaultWriter<Uint8Array>): ChildInput {
  return {
    write: (bytes) => void writer.write(bytes).catch(() => {}),
    end: () => void writer.close().catch(() => {}),
    // If a child of the program holds the pipe open, a write would wait forever.
    cut: () => void writer.abort().catch(() => {}),
  };
}
