/** A daemon's start from the outside: its output, its exit code, and how long it took. */
import { testFolder } from "./folder.ts";
import { spawnDaemon } from "./spawn_daemon.ts";

/** The paths for a start. */
export interface Places {
  dataDir: string;
  socket: string;
}

/** A start that succeeded (and still runs) or ended. */
export interface Start {
  child: Deno.ChildProcess;
  /** It printed that it is ready. */
  ready: boolean;
  /** Undefined while it runs. */
  code: number | undefined;
  stderr: string;
  /** From the start to the first line or the end, ms. */
  took: number;
}

/**
 * Starts a daemon and waits until it is ready or has ended. `wrapper` runs it: `sh -c 'umask 077;
 * exec "$@"' sh`.
 */
export async function tryStart(places: Places, wrapper: string[] = []): Promise<Start> {
  const began = performance.now();
  const child = spawnDaemon({ ...places, config: `${places.dataDir}.toml` }, wrapper);
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  const took = performance.now() - began;
  await reader.cancel();
  if (!done) return { child, ready: true, code: undefined, stderr: "", took };
  return { child, ready: false, code: (await child.status).code, stderr: await stderr, took };
}

/** Ends a running daemon, cleanly or not. */
export async function end({ child }: Start, signal: Deno.Signal = "SIGTERM"): Promise<number> {
  child.kill(signal);
  return (await child.status).code;
}

/** Runs a test in its own folder, which is then removed. */
export async function inFolder(work: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await testFolder("start");
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The permission bits of a path, without following links. */
export function modeOf(path: string): string {
  return ((Deno.lstatSync(path).mode ?? 0) & 0o7777).toString(8);
}
