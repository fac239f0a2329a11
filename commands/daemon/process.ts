/**
 * Starts a daemon and waits until it is ready: it then prints one line of JSON on stdout, and never
 * anything else. If it fails to start, the reason is on its stderr.
 */
import { daemonCommand, type LaunchOptions } from "../../core/client/launch.ts";
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { checkFileSystem, fileSizeLimit } from "../../core/data_dir/file_system.ts";
import { formatBytes } from "../../core/base/units.ts";
import { settleRestore } from "../../core/data_dir/cut_restore.ts";
import { missingPackage } from "../../core/base/missing_package.ts";
import { spoolSettings } from "../spool/settings.ts";
import { databaseAccess } from "./database.ts";
import { socketGroupId } from "./socket_group.ts";

/** A running daemon. */
export interface StartedDaemon {
  child: Deno.ChildProcess;
  pid: number;
  socket: string;
  /** Resolves when all of its stderr has been passed on. */
  drained: Promise<void>;
}

/** The options of a start, besides the paths. */
export interface DaemonStartOptions {
  launch: LaunchOptions;
  /** Called when it waits for the daemon that it replaces. */
  waiting?: () => Promise<void>;
  /** Receives its stderr once it is running. */
  stderr?: (chunk: Uint8Array) => void | Promise<void>;
  /** Receives messages about actions before the start. */
  say?: (text: string) => void;
  /** Aborts the start: the daemon is killed and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Starts a daemon in its own session, so that neither Ctrl-C nor closing a terminal reaches it, and
 * waits until it is ready. With `launch.untilStdinCloses` it holds the other end of our pipe.
 * Throws with the daemon's own error message.
 */
export async function startDaemon(options: DaemonStartOptions): Promise<StartedDaemon> {
  const { launch, signal } = options;
  const database = await databaseAccess(launch);
  // The daemon itself sees nothing outside its data dir.
  const settled = settleRestore(launch.dataDir);
  if (settled !== undefined) options.say?.(settled);
  for (const words of surroundings(launch)) options.say?.(words);
  const socketGid = await socketGroupId(launch.config);
  const { folder: spoolFolder } = await spoolSettings(launch.config);
  const { program, args, env } = daemonCommand({
    ...launch,
    socketGid,
    spoolFolder,
    database,
  });
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
  // A socket is created with the mode that the umask allows. With this umask nobody else ever has
  // access, not even before its mode is set. The daemon cannot do this itself: its flags would have
  // to allow all of --allow-sys.
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
    // Nobody is waiting for it any more.
    if (!serving) end(child);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Warnings about the location of the daemon. Throws if it must not run there. */
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

/** Empty if the file does not exist: not every system has it. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return "";
    throw error;
  }
}

/** The path with links resolved, as far as it exists. */
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
    // It has already ended.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** What a daemon prints: that it is waiting, then that it is ready. */
interface DaemonLine {
  waiting?: boolean;
  pid: number;
  socket: string;
}

/** The lines of a stream. Leaving the loop releases the stream. */
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

/** Why a daemon did not start, from its own output: what happened, then what to do. */
export function startError(words: string, code: number): EvsError {
  const offline = missingPackage(words);
  if (offline !== undefined) return offline;
  // A stack is not advice: an unexpected error is shown in full.
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
