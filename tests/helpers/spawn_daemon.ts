/** A daemon's process, with its pipes. */
import { daemonCommand, type LaunchOptions } from "../../core/client/launch.ts";

/**
 * Starts it; whoever asks for it waits until it serves, and ends it. `wrapper` runs it, with it as
 * arguments: `strace`, `sh -c 'umask 077; exec "$@"' sh`.
 */
export function spawnDaemon(
  options: LaunchOptions,
  wrapper: readonly string[] = [],
): Deno.ChildProcess {
  const { program, args, env } = daemonCommand(options);
  const [first, ...rest] = [...wrapper, program, ...args];
  return new Deno.Command(first!, {
    args: rest,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
