/**
 * Starting a daemon and knowing that it serves: it prints one line of JSON on stdout when it does, and nothing else ever.
 * What it says on stderr before that is why it does not.
 */
import { daemonCommand, type LaunchOptions } from "../../core/client/launch.ts";
import { EvsError, ExitCode } from "../../core/base/errors.ts";
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
  /** Called with what it says on stderr once it serves. */
  stderr?: (chunk: Uint8Array) => void | Promise<void>;
  /** Told what was done before the start, in words. */
  say?: (text: string) => void;
  /** Ends the start: the daemon is killed and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Starts a daemon in a session of its own, so that neither Ctrl-C nor the end of a terminal reaches it, and waits until it
 * serves. With `launch.untilStdinCloses` it holds the other end of our pipe. Throws, in the daemon's own words.
 */
export async function startDaemon(options: DaemonStartOptions): Promise<StartedDaemon> {
  const { launch, signal } = options;
  // The daemon itself sees nothing beside its data dir.
  const settled = settleRestore(launch.dataDir);
  if (settled !== undefined) options.say?.(settled);
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
  // A socket is born with what the umask leaves: with this one nobody else ever gets in, not even before its mode is set. The
  // daemon may not do this itself: its flags would have to allow all of --allow-sys.
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
    const line = await firstLine(child.stdout);
    signal?.throwIfAborted();
    if (line !== undefined) {
      serving = true;
      for (const chunk of words) await options.stderr?.(chunk);
      return { child, drained, ...readyLine(line) };
    }
    const status = await child.status;
    await drained;
    throw startError(await new Blob(words as BlobPart[]).text(), status.code);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** The first line of a stream, `undefined` when it ends before. The stream is let go. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  // Leaving the loop cancels the stream.
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return undefined;
}

function readyLine(line: string): { pid: number; socket: string } {
  const { pid, socket } = JSON.parse(line) as { pid: number; socket: string };
  return { pid, socket };
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
