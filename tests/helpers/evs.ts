/**
 * Runs the `evs` command like a user does: in its own process, with a test's daemon or without one.
 */

/** How to run a command. */
export interface EvsOptions {
  /** The daemon to use; a `TestDaemon` fits. */
  at?: { socket: string; dataDir: string };
  stdin?: string;
  env?: Record<string, string>;
  cwd?: string;
}

/** The result of a command. */
export interface EvsResult {
  code: number;
  stdout: string;
  stderr: string;
}

const project = decodeURIComponent(new URL("../..", import.meta.url).pathname);
/** The same flags as in `bin/evs`. */
const locked = [`--lock=${project}deno.lock`, "--frozen"];

/** The `Deno.Command` that runs `evs`. */
export function evsCommand(args: readonly string[], options: EvsOptions = {}): {
  program: string;
  options: Deno.CommandOptions;
} {
  const { at, env = {}, cwd } = options;
  const places: Record<string, string> = at === undefined
    ? {}
    : { EVS_SOCKET: at.socket, EVS_DATA_DIR: at.dataDir };
  return {
    program: Deno.execPath(),
    options: {
      args: ["run", "--quiet", "--no-prompt", ...locked, "-A", `${project}cli.ts`, ...args],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...places, ...env },
      cwd,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    },
  };
}

/** Runs it to its end. */
export async function evs(args: readonly string[], options: EvsOptions = {}): Promise<EvsResult> {
  const command = evsCommand(args, options);
  const child = new Deno.Command(command.program, command.options).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A running `evs` whose stderr can be awaited. */
export class RunningEvs {
  readonly child: Deno.ChildProcess;
  readonly ended: Promise<Deno.CommandStatus>;
  stderr = "";
  stdout = "";
  #streams: Promise<void>[];
  #changed = Promise.withResolvers<void>();

  constructor(args: readonly string[], options: EvsOptions = {}) {
    const command = evsCommand(args, options);
    this.child = new Deno.Command(command.program, command.options).spawn();
    this.ended = this.child.status;
    this.#streams = [
      this.#read(this.child.stderr, (text) => this.stderr += text),
      this.#read(this.child.stdout, (text) => this.stdout += text),
    ];
  }

  async #read(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      add(decoder.decode(chunk, { stream: true }));
      this.#wake();
    }
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** Waits for output on stderr. */
  async said(pattern: RegExp): Promise<void> {
    let over = false;
    void Promise.all(this.#streams).then(() => {
      over = true;
      this.#wake();
    });
    while (!pattern.test(this.stderr)) {
      if (over) throw new Error(`it ended without saying ${pattern}: ${this.stderr}`);
      await this.#changed.promise;
    }
  }

  /** Waits until it has ended and all its output has been read. */
  async end(): Promise<Deno.CommandStatus> {
    const status = await this.ended;
    await Promise.all(this.#streams);
    return status;
  }
}

/** Waits for a condition for which there is no promise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** True while a process exists and is not a zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    return !/^State:\s+Z/m.test(await Deno.readTextFile(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    // The process ended between open and read.
    if (error instanceof Error && /\(os error 3\)/.test(error.message)) return false;
    throw error;
  }
}
