/**
 * Programs that a process starts (`Deno.Command`): the handlers of `evs consume`, and the shell that
 * guards them. Each is a function that the life has given, in a process of its own.
 */
import { osError } from "../disk/errors.ts";
import type { Program } from "../types.ts";
import { currentProcess, currentThread, type SimProcess, type Thread } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** What commands need of their machine. */
export interface ChildHost {
  scheduler: Scheduler;
  programs: ReadonlyMap<string, Program>;
  spawn(name: string, program: () => Promise<number | void>): SimProcess;
}

/** What the shell of commands/consumer/handler_guard.ts does: ends handlers that are left behind. */
const guard: Program = async ({ input }) => {
  const live = new Set<number>();
  let text = "";
  for await (const piece of input) {
    const lines = (text + new TextDecoder().decode(piece)).split("\n");
    text = lines.pop()!;
    for (const [begun, ended] of lines.map((line) => line.split(" ").map(Number))) {
      live.delete(ended!);
      if (begun !== 0) live.add(begun!);
    }
  }
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (const pid of live) {
      try {
        Deno.kill(-pid, signal);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    if (live.size > 0) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return 0;
};

/** Takes the place of `Deno.Command`. */
export function commandClass(host: ChildHost) {
  return class SimCommand {
    readonly #command: string[];
    readonly #options: Deno.CommandOptions;

    constructor(program: string, options: Deno.CommandOptions = {}) {
      const command = [program, ...options.args ?? []];
      // The new session of commands/consumer/session.ts makes no difference here.
      this.#command = /\/setsid$/.test(program) ? command.slice(2) : command;
      this.#options = options;
    }

    spawn(): SimChild {
      const [program = "", ...args] = this.#command;
      const run = args[0] === "-c" ? guard : host.programs.get(program);
      if (run === undefined) throw osError("NotFound", `spawn '${program}'`);
      return new SimChild({ name: program.replace(/^.*\//, ""), args, run }, this.#options, host);
    }
  };
}

/** A program that was started, as the one that started it sees it. */
class SimChild {
  readonly pid: number;
  readonly status: Promise<Deno.CommandStatus>;
  readonly stdin: WritableStream<Uint8Array>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly #process: SimProcess;
  readonly #scheduler: Scheduler;
  readonly #owner: Thread = currentThread()!;

  constructor(
    { name, args, run }: { name: string; args: string[]; run: Program },
    options: Deno.CommandOptions,
    host: ChildHost,
  ) {
    this.#scheduler = host.scheduler;
    const input = new Queue<Uint8Array>();
    const output = new Queue<Uint8Array>();
    const env = options.clearEnv ? { ...options.env } : { ...currentProcess().env, ...options.env };
    const print = (text: string) => this.#later(() => output.push(new TextEncoder().encode(text)));
    const process = host.spawn(name, async () => await run({ args, env, input, print }));
    process.env = env;
    this.#process = process;
    this.pid = process.pid;
    this.stdin = new WritableStream({
      write: (piece) => this.#toChild(() => input.push(piece.slice())),
      close: () => this.#toChild(() => input.end()),
      abort: () => this.#toChild(() => input.end()),
    });
    // Its owner has died: as a pipe does, its input ends.
    this.#owner.process.resources.add({ abandon: () => this.#toChild(() => input.end()) });
    this.stdout = new ReadableStream({ start: (controller) => controller.close() });
    this.stderr = ReadableStream.from(output);
    this.status = new Promise((resolve) => {
      void process.ended.then((exit) => {
        const signal = exit.how === "exited" ? null : process.killedBy ?? "SIGKILL";
        const code = exit.how === "exited" ? exit.code : 128 + (signal === "SIGKILL" ? 9 : 15);
        this.#later(() => {
          output.end();
          resolve({ success: code === 0, code, signal });
        });
      });
    });
  }

  kill(signal: Deno.Signal = "SIGTERM"): void {
    Deno.kill(this.#process.pid, signal);
  }

  ref(): void {}
  unref(): void {}

  #later(run: () => void): void {
    this.#scheduler.after(0.1, { kind: "message", thread: this.#owner, run });
  }

  #toChild(run: () => void): void {
    this.#scheduler.after(0.1, { kind: "message", thread: this.#process.main, run });
  }
}

/** What one process writes and another reads. */
class Queue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #isOver = false;
  #wake = () => {};

  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#items.length > 0) yield this.#items.shift()!;
      if (this.#isOver) return;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
