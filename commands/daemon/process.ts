/**
 * Starting a daemon and knowing that it serves: it prints one line of JSON on stdout when it does,
 * and nothing else ever. What it says on stderr before that is why it does not.
 */
import { daemonCommand, type LaunchOptions } from "../../core/client/launch.ts";
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { checkFileSystem, fileSizeLimit } from "../../core/data_dir/file_system.ts";
import { formatBytes } from "../../core/base/units.ts";
import { settleRestore } from "../../core/data_dir/cut_restore.ts";
import { missingPackage } from "../../core/base/missing_package.ts";

/** A daemon that serves. */
export interface StartedDaemon {
  child: Deno.ChildProcess;
  pid: number;
  socket: string;
  /** Resolves when its stderr has been passed on to the end. */
  drained: Promise<void>;
}

/** What a start needs beside the paths. */
export interface DaemonStartOptions {
  launch: LaunchOptions;
  /** Called when it waits for the daemon whose place it takes. */
  waiting?: () => Promise<void>;
  /** Called with what it says on stderr once it serves. */
  stderr?: (chunk: Uint8Array) => void | Promise<void>;
  /** Told what was done before the start, in words. */
  say?: (text: string) => void;
  /** Ends the start: the daemon is killed and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Starts a daemon in a session of its own, so that neither Ctrl-C nor the end of a terminal reaches
 * it, and waits until it serves. With `launch.untilStdinCloses` it holds the other end of our pipe.
 * Throws, in the daemon's own words.
 */
export async function startDaemon(options: DaemonStartOptions): Promise<StartedDaemon> {
  const { launch, signal } = options;
  // The daemon itself sees nothing beside its data dir.
  const settled = settleRestore(launch.dataDir);
  if (settled !== undefined) options.say?.(settled);
  for (const words of surroundings(launch)) options.say?.(words);
  const { program, args, env } = daemonCommand(launch);
  const command = new Deno.Command(program, {
    args,
    env,
    cwd: "/",
    stdin: launch.untilStdinCloses ? "piped" : "null",
    // Never inherited: `x=$(evs daemon start)` must see the end of its pipe.
    stdout: "piped",
    stderr: "piped",
    detached: true,
  });
  // A socket is born with what the umask leaves: with this one nobody else ever gets in, not even
  // before its mode is set. The daemon may not do this itself: its flags would have to allow all of
  // --allow-sys.
  const umask = Deno.umask(0o077);
  const child = command.spawn();
  Deno.umask(umask);
  const onAbort = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", onAbort, { once: true });

  let serving = false;
  const words: Uint8Array[] = [];
  const drained = (async () => {
    for await (const chunk of child.stderr) {
      if (serving) await options.stderr?.(chunk);
      else words.push(chunk);
    }
  })();
  try {
    for await (const line of linesOf(child.stdout)) {
      signal?.throwIfAborted();
      if (line.waiting) {
        await options.waiting?.();
        continue;
      }
      serving = true;
      for (const chunk of words) await options.stderr?.(chunk);
      return { child, drained, pid: line.pid, socket: line.socket };
    }
    signal?.throwIfAborted();
    const status = await child.status;
    await drained;
    throw startError(await new Blob(words as BlobPart[]).text(), status.code);
  } catch (error) {
    // Nobody waits for it any more.
    if (!serving) end(child);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What to tell of where the daemon will run. Throws where it should not. */
function surroundings({ dataDir, force = false }: LaunchOptions): string[] {
  const mountinfo = textOf("/proc/self/mountinfo");
  const words = checkFileSystem(realPath(dataDir), { mountinfo, force });
  const limit = fileSizeLimit(textOf("/proc/self/limits"));
  return [
    ...(words === undefined ? [] : [words]),
    ...(limit === undefined ? [] : [
      `no file may grow beyond ${formatBytes(limit)} (ulimit -f): nothing is stored beyond that`,
    ]),
  ];
}

/** Empty where there is none: not every system has it. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return "";
    throw error;
  }
}

/** The path without links, as far as it is there. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!(error instanceof Deno.errors.NotFound) || parent === "") return path;
    return `${realPath(parent)}${path.slice(parent.length)}`;
  }
}

function end(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** What a daemon prints: that it waits, then that it serves. */
interface DaemonLine {
  waiting?: boolean;
  pid: number;
  socket: string;
}

/** The lines of a stream. Whoever leaves the loop lets the stream go. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<DaemonLine> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      yield JSON.parse(line) as DaemonLine;
    }
  }
}

/** Why a daemon did not start, in its own words: what happened, then what to do about it. */
export function startError(words: string, code: number): EvsError {
  const offline = missingPackage(words);
  if (offline !== undefined) return offline;
  // A stack is no advice: what the daemon did not foresee is shown whole.
  const known = code === ExitCode.Bug ? null : /^evs daemon: (.*)\n?([^]*)$/.exec(words);
  const hint = known?.[2]?.trim() ?? "";
  const message = known?.[1] ?? (words.trim() || "it said nothing");
  return new EvsError(
    { code: "daemon/start-failed", status: 500, exit: code === 0 ? ExitCode.Bug : code },
    known === null
      ? `the daemon ended with ${code} before it served: ${message.replace(/^evs daemon: /, "")}`
      : message,
    hint === "" ? {} : { hint },
  );
}
