/**
 * Processes and their threads. Whatever runs in a world runs in a thread; AsyncLocalStorage knows in
 * which, so that every timer, file and socket belongs to the process that asked for it.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Exit, Process, Random } from "../types.ts";
import type { Scheduler, SimEvent } from "./scheduler.ts";

const threads = new AsyncLocalStorage<Thread | undefined>();

/** Runs `work` as a part of this thread. */
export function inThread<T>(thread: Thread | undefined, work: () => T): T {
  return threads.run(thread, work);
}

/** Which thread is running; undefined for the engine itself. */
export function currentThread(): Thread | undefined {
  return threads.getStore();
}

/**
 * The process that is running. Throws if the engine itself calls, or what was left of a process when
 * it ended: something that the world does not own has kept it waiting.
 */
export function currentProcess(): SimProcess {
  const thread = threads.getStore();
  if (thread === undefined) throw new Error("this was called outside of every process of a world");
  if (thread.process.state === "dead") throw new Ended();
  return thread.process;
}

/** A thread of a process: its main one, or a worker. */
export class Thread {
  readonly process: SimProcess;
  readonly name: string;
  /** See core/base/module_state.ts. */
  readonly moduleState = new Map<unknown, unknown>();
  /** A worker that was terminated. */
  ended = false;
  /** Called with errors that nobody catches; undefined: those are the process's. */
  onError: ((error: unknown) => void) | undefined;

  constructor(process: SimProcess, name: string) {
    this.process = process;
    this.name = name;
  }

  /** False if the event is dropped, or kept until the process continues. */
  mayRun(event: SimEvent): boolean {
    if (this.ended || this.process.state === "dead") return false;
    if (this.process.state === "running") return true;
    this.process.missed.push(event);
    return false;
  }
}

/** Thrown into code whose process has ended, so that it goes no further. */
export class Ended extends Error {
  constructor() {
    super("this process has ended");
  }
}

/** What a process asks of its world. */
export interface ProcessHost {
  scheduler: Scheduler;
  note(who: string, what: string): void;
  /** It has ended: its files, sockets and locks are to be given up. */
  ended(process: SimProcess): void;
}

type Listener = (event: Event) => void;

/** A process. */
export class SimProcess implements Process {
  readonly name: string;
  readonly pid: number;
  /** For its `Math.random` and `crypto`. */
  readonly random: Random & { bits(): number };
  readonly main: Thread;
  readonly ended: Promise<Exit>;
  state: "running" | "stopped" | "dead" = "running";
  exit: Exit | undefined;
  /** The signal that killed it, if that was not SIGKILL. */
  killedBy: "SIGTERM" | "SIGINT" | "SIGHUP" | undefined;
  /** What would have happened while it was stopped. */
  readonly missed: SimEvent[] = [];
  readonly signals = new Map<string, Set<() => void>>();
  /** For `error` and `unhandledrejection`. */
  readonly listeners = new Map<string, Set<Listener>>();
  env: Readonly<Record<string, string>> = {};
  /** What is left to read on standard input. */
  input = new Uint8Array(0);
  /** What it wrote to standard output and standard error. */
  output = "";
  said = "";
  /** Called when it writes to standard output. */
  onOutput: (() => void) | undefined;
  /** Given up when it ends: sockets, files, locks. */
  readonly resources = new Set<{ abandon(): void }>();
  /** Killed during its disk call of this number from now. */
  diesIn: number | undefined;
  readonly #host: ProcessHost;
  #resolve!: (exit: Exit) => void;

  constructor(
    { name, pid, random }: Pick<SimProcess, "name" | "pid" | "random">,
    host: ProcessHost,
  ) {
    this.name = name;
    this.pid = pid;
    this.random = random;
    this.#host = host;
    this.main = new Thread(this, "main");
    this.ended = new Promise((resolve) => this.#resolve = resolve);
  }

  /** Runs its main function. */
  begin(program: () => Promise<number | void>): void {
    this.#host.scheduler.after(0, {
      kind: "immediate",
      thread: this.main,
      run: () => {
        void program().then(
          (code) => this.finish({ how: "exited", code: code ?? 0 }),
          (error) => this.finish({ how: "threw", error }),
        );
      },
    });
  }

  /** It ends, unless it has. */
  finish(exit: Exit): void {
    if (this.state === "dead") return;
    this.state = "dead";
    this.exit = exit;
    const how = exit.how === "exited"
      ? `exits with ${exit.code}`
      : exit.how === "killed"
      ? "is killed"
      : `ends with ${messageOf(exit.error)}`;
    this.#host.note(this.name, how);
    this.missed.length = 0;
    for (const resource of [...this.resources]) resource.abandon();
    this.resources.clear();
    this.#host.ended(this);
    this.#resolve(exit);
  }

  kill(): void {
    this.finish({ how: "killed" });
  }

  stop(): void {
    if (this.state !== "running") return;
    this.state = "stopped";
    this.#host.note(this.name, "is stopped");
  }

  continue(): void {
    if (this.state !== "stopped") return;
    this.state = "running";
    this.#host.note(this.name, "continues");
    this.#host.scheduler.replay(this.missed.splice(0));
  }

  signal(name: "SIGTERM" | "SIGINT" | "SIGHUP"): void {
    if (this.state === "dead") return;
    this.#host.note(this.name, `gets ${name}`);
    this.#host.scheduler.after(0, {
      kind: "immediate",
      thread: this.main,
      run: () => {
        const listeners = [...this.signals.get(name) ?? []];
        if (listeners.length === 0) {
          this.killedBy = name;
          this.kill();
        }
        for (const listener of listeners) listener();
      },
    });
  }

  /** An error that no code of its caught. */
  uncaught(type: "error" | "unhandledrejection", error: unknown): void {
    if (this.state === "dead" || error instanceof Ended) return;
    const listeners = [...this.listeners.get(type) ?? []];
    if (listeners.length === 0) return this.finish({ how: "threw", error });
    const event = { preventDefault() {}, error, reason: error, message: messageOf(error) };
    for (const listener of listeners) listener(event as unknown as Event);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
