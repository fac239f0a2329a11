/**
 * Runs a private daemon for the duration of one command, and leaves nothing behind.
 *
 * The daemon holds the other end of our pipe and exits when it closes, so even a SIGKILL of this
 * process ends it. It has its own session, so that Ctrl-C ends the command first, and the daemon
 * only after the command.
 */
import type { Clock } from "../../core/base/clock.ts";
import { launcherFolder } from "../../core/base/program.ts";
import { setPatientTimer } from "../../core/base/standstill.ts";
import { MAX_SOCKET_PATH, type Paths } from "../../core/protocol/paths.ts";
import { passSignals, signalCode, statusCode } from "../terminal/signals.ts";
import { type LaunchFlags, launchOptions } from "./flags.ts";
import { startDaemon, type StartedDaemon } from "./process.ts";

/** The options of a private daemon. */
export interface PrivateOptions {
  command: readonly string[];
  flags: LaunchFlags;
  /** Where the daemon's stderr goes. */
  stderr: (chunk: Uint8Array) => Promise<void>;
  clock: Clock;
  /** True if a terminal already sends Ctrl-C to the command. */
  terminal: boolean;
}

/** The result of the command. */
export interface PrivateResult {
  exitCode: number;
  /** Why the command could not be started. */
  failed?: string;
}

/** A daemon drains within 5 s; after this it is killed, ms. */
const DRAIN_MS = 10_000;

/** Runs a command with its own daemon. */
export async function withDaemon(options: PrivateOptions): Promise<PrivateResult> {
  // 0700, whatever the umask.
  const folder = await Deno.makeTempDir({ dir: temporaryFolder(), prefix: "evs-with-" });
  const abort = new AbortController();
  let signalled: Deno.Signal | undefined;
  let forward = (_signal: Deno.Signal) => abort.abort();
  const stopPassing = passSignals((signal) => {
    signalled ??= signal;
    forward(signal);
  });
  try {
    const dataDir = `${folder}/data`;
    await Deno.mkdir(dataDir, { mode: 0o700 });
    // An empty configuration: this file does not exist.
    const paths: Paths = {
      dataDir,
      socket: `${folder}/evs.sock`,
      config: `${folder}/config.toml`,
      chosen: "socket",
    };
    const launch = {
      ...launchOptions(paths, options.flags),
      untilStdinCloses: true,
    };
    let daemon: StartedDaemon;
    try {
      daemon = await startDaemon({ launch, stderr: options.stderr, signal: abort.signal });
    } catch (error) {
      if (signalled === undefined) throw error;
      return { exitCode: signalCode(signalled) };
    }
    try {
      return await runCommand(options, {
        env: {
          EVS_SOCKET: paths.socket,
          EVS_DATA_DIR: dataDir,
          EVS_CONFIG: paths.config,
          PATH: await pathWithEvs(folder),
        },
        onForward: (pass) => forward = pass,
        signalled: () => signalled,
      });
    } finally {
      forward = () => {};
      await endDaemon(daemon, options.clock);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
    stopPassing();
  }
}

/** TMPDIR, or /tmp if the path of a socket in TMPDIR would be too long for the kernel. */
function temporaryFolder(): string {
  const folder = Deno.env.get("TMPDIR") || "/tmp";
  const room = MAX_SOCKET_PATH - "/evs-with-0123456789abcdef/evs.sock".length;
  const fits = new TextEncoder().encode(folder).length <= room;
  // Deno's permission flags cannot express a path with a comma.
  return fits && !folder.includes(",") ? folder : "/tmp";
}

interface CommandOptions {
  env: Record<string, string>;
  onForward: (pass: (signal: Deno.Signal) => void) => void;
  signalled: () => Deno.Signal | undefined;
}

async function runCommand(
  options: PrivateOptions,
  { env, onForward, signalled }: CommandOptions,
): Promise<PrivateResult> {
  const early = signalled();
  if (early !== undefined) return { exitCode: signalCode(early) };
  const [program = "", ...args] = options.command;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, { args, env, stdin: "inherit" }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { exitCode: 127, failed: `${program}: there is no such command` };
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      return { exitCode: 126, failed: `${program}: permission denied` };
    }
    throw error;
  }
  onForward((signal) => {
    if (signal === "SIGINT" && options.terminal) return;
    try {
      child.kill(signal);
    } catch (error) {
      // It has already ended.
      if (!(error instanceof TypeError)) throw error;
    }
  });
  return { exitCode: statusCode(await child.status) };
}

/** Closes its pipe and waits until it has drained; kills it if it hangs. */
async function endDaemon(daemon: StartedDaemon, clock: Clock): Promise<void> {
  const { child, drained } = daemon;
  const cancel = setPatientTimer(clock, () => child.kill("SIGKILL"), DRAIN_MS);
  try {
    await child.stdin.close();
  } catch (error) {
    // It has already ended.
    if (!(error instanceof Deno.errors.BrokenPipe) && !(error instanceof TypeError)) throw error;
  }
  await child.status;
  cancel();
  await drained;
}

/** A PATH on which `evs` is this program. */
async function pathWithEvs(folder: string): Promise<string> {
  const path = Deno.env.get("PATH") ?? "/usr/bin:/bin";
  if (Deno.build.standalone) {
    const bin = `${folder}/bin`;
    await Deno.mkdir(bin, { mode: 0o700 });
    await Deno.symlink(Deno.execPath(), `${bin}/evs`);
    return `${bin}:${path}`;
  }
  return `${launcherFolder()}:${path}`;
}
