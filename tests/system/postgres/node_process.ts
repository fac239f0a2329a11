/** A node in a process of its own, for tests: a script of this folder that tells what it does in lines. */
import assert from "node:assert/strict";

const LOCK = new URL("../../deno.lock", import.meta.url).pathname;

/** How a node is run, and who hears of it. */
export interface NodeProcessOptions {
  /** Called with each whole line. */
  note(line: string): void;
  /** Makes the command, for one that is not to run in this machine's network. */
  command?(program: string, options: Deno.CommandOptions): Deno.Command;
  stdin?: "piped";
  /** True once it may end by itself, with exit code 0. */
  mayEnd?(): boolean;
}

/** A process that runs until it is killed. */
export class NodeProcess {
  readonly #child: Deno.ChildProcess;
  /** Resolves when it has ended and all that it said was noted; rejects if it should not have. */
  readonly ended: Promise<void>;

  /** Runs `script`, the name of a file of this folder. */
  constructor(script: string, args: readonly string[], options: NodeProcessOptions) {
    const { command = (program, how) => new Deno.Command(program, how), stdin = "null" } = options;
    const path = new URL(script, import.meta.url).pathname;
    const flags = ["run", "-A", "--quiet", "--no-check", `--lock=${LOCK}`, "--frozen", path];
    const piped = { stdout: "piped", stderr: "piped" } as const;
    this.#child = command(Deno.execPath(), { args: [...flags, ...args], stdin, ...piped }).spawn();
    this.ended = this.#read(script, options);
  }

  async #read(script: string, { note, mayEnd }: NodeProcessOptions): Promise<void> {
    const stderr = new Response(this.#child.stderr).text();
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      // What a kill left in half is none.
      rest = lines.pop()!;
      for (const line of lines) note(line);
    }
    const { code, signal } = await this.#child.status;
    const isExpected = signal === "SIGKILL" || (code === 0 && mayEnd?.());
    assert.ok(isExpected, `${script} ended by itself: ${await stderr}`);
  }

  /** What it reads, where that is piped. */
  get stdin(): WritableStream<Uint8Array> {
    return this.#child.stdin;
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }
}
