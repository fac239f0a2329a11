/** Runs other programs for the benchmarks, in their own folder, and measures the time. */

/** Where the benchmark keeps its files: ours and the peers' on one file system. */
export interface Bench {
  folder: string;
  /** What every command sees. */
  env: Record<string, string>;
  /** The config file of our daemons that are given none. */
  config?: string;
  /** Looks at each of our daemons until it is stopped. */
  watch?(daemon: Bench): Promise<AsyncDisposable>;
}

/**
 * Runs a shell script to its end; returns the seconds it took. Throws what it said when it does not
 * end with 0.
 */
export async function seconds(bench: Bench, script: string): Promise<number> {
  const began = performance.now();
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-eu", "-c", script],
    cwd: bench.folder,
    env: bench.env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const took = (performance.now() - began) / 1000;
  if (code !== 0) {
    throw new Error(`${script}\nended with ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  return took;
}

/** What a script prints; undefined when it does not end with 0. */
export async function output(bench: Bench, script: string): Promise<string | undefined> {
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-eu", "-c", script],
    cwd: bench.folder,
    env: bench.env,
    clearEnv: true,
    stdin: "null",
    stderr: "null",
  }).output();
  return code === 0 ? new TextDecoder().decode(stdout).trim() : undefined;
}

/** Milliseconds that one program takes from its start to its end. */
export async function milliseconds(bench: Bench, command: readonly string[]): Promise<number> {
  const [program = "", ...args] = command;
  const began = performance.now();
  const { success } = await new Deno.Command(program, {
    args,
    cwd: bench.folder,
    env: bench.env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().status;
  const took = performance.now() - began;
  if (!success) throw new Error(`${command.join(" ")} failed`);
  return took;
}

/**
 * Everything that was written is on the disk: what one contender left to the kernel is not paid for
 * by the next.
 */
export async function settle(bench: Bench): Promise<void> {
  await seconds(bench, "sync");
}
