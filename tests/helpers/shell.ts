/**
 * A place to run a test's shell scripts: its own home, `evs` on the PATH, and a check for
 * leftovers.
 */
import assert from "node:assert/strict";

/**
 * A script that hangs is ended after this many seconds (code 124), so that it fails a test instead
 * of blocking the suite. The longest ones take a minute on a machine of their own.
 */
export const DEADLINE = "600";

/** The result of a script. */
export interface ScriptResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** With these, perl runs the words that follow, and ignores how processes end (`SIGCHLD`). */
export const IGNORING_ENDS = ["-e", '$SIG{CHLD} = "IGNORE"; exec @ARGV or die'];

/** The project's folder. */
export const project = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(
  /\/$/,
  "",
);

/** Where Deno caches its downloads: a process with its own home would download everything again. */
export function denoDir(): string {
  return Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? ""}/.cache/deno`;
}

/** A folder with its own home, data and temporary files; removed with everything in it. */
export class Place {
  readonly folder: string;
  readonly env: Record<string, string>;

  private constructor(folder: string) {
    this.folder = folder;
    this.env = {
      PATH: `${project}/bin:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`,
      HOME: `${folder}/home`,
      TMPDIR: `${folder}/tmp`,
      XDG_RUNTIME_DIR: `${folder}/run`,
      EVS_DENO: Deno.execPath(),
      DENO_DIR: denoDir(),
      NO_COLOR: "1",
    };
  }

  /** Creates the folders. */
  static async make(): Promise<Place> {
    // No process id in its name: screens of 80 columns show the path, and are compared with a page.
    const place = new Place(await Deno.makeTempDir({ prefix: "evs-place-" }));
    for (const name of ["home", "tmp", "run", "work"]) {
      await Deno.mkdir(`${place.folder}/${name}`, { mode: 0o700 });
    }
    return place;
  }

  /** The `Deno.Command` that runs a script in `work`. */
  command(script: string, env: Record<string, string> = {}): Deno.Command {
    return new Deno.Command("timeout", {
      args: [DEADLINE, "sh", "-eu", "-c", script],
      cwd: `${this.folder}/work`,
      env: { ...this.env, ...env },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** Runs a script. */
  async sh(script: string, env: Record<string, string> = {}): Promise<ScriptResult> {
    const { code, stdout, stderr } = await this.command(script, env).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Runs a script that must exit with 0, and returns its output. */
  async run(script: string, env: Record<string, string> = {}): Promise<string> {
    const { code, stdout, stderr } = await this.sh(script, env);
    assert.equal(code, 0, `${script}\nended with ${code}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Processes that have this folder in their command line or environment, except our own. */
  processes(): { pid: number; command: string }[] {
    return processesNaming(this.folder);
  }

  /** Those of the {@link processes} that have not ended within a minute. */
  async lastingProcesses(): Promise<{ pid: number; command: string }[]> {
    const deadline = performance.now() + 60_000;
    // A daemon that has said that it stopped may take a moment to be gone.
    while (this.processes().length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.processes();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.processes()) endProcess(pid);
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Processes that have a text in their command line or environment, except this one. */
export function processesNaming(text: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    const command = readProc(pid, "cmdline").replaceAll("\0", " ");
    if (command.includes(text) || readProc(pid, "environ").includes(text)) {
      found.push({ pid, command });
    }
  }
  return found;
}

function readProc(pid: number, file: string): string {
  try {
    return new TextDecoder().decode(Deno.readFileSync(`/proc/${pid}/${file}`));
  } catch {
    return ""; // ended meanwhile, or not ours to inspect
  }
}

function endProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
  }
}

/** The peak resident memory of a process so far, bytes; undefined if it has ended. */
export function peakMemory(pid: number): number | undefined {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(pid, "status"))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Fails, rather than skips, if a tool is not installed: .ci/run installs them. */
export function needTools(...names: string[]): void {
  const missing = names.filter((name) => findTool(name) === undefined);
  assert.deepEqual(
    missing,
    [],
    "these tools are needed; .ci/run knows the packages that have them",
  );
}

/** The path of a tool: on the PATH, or in one of these folders; undefined if it is not there. */
export function findTool(name: string, folders: readonly string[] = []): string | undefined {
  return [...(Deno.env.get("PATH") ?? "").split(":"), ...folders]
    .map((folder) => `${folder}/${name}`)
    .find(exists);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}
