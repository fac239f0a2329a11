/**
 * A session and process group of its own for a handler, so that a signal reaches all that it
 * started and Ctrl-C does not.
 *
 * Deno can do that by itself (`detached`), but then it has to fork, and the kernel copies the page
 * tables of a whole runtime: that takes as long as four handlers that do nothing. `setsid` from
 * util-linux is started without a fork, and turns into the handler.
 */

/** How a command is started. */
export interface SessionStart {
  program: string;
  args: string[];
  /** Whether Deno has to make the session. */
  detached: boolean;
}

/** Where `setsid` is, if anywhere. */
export const SETSID = ["/usr/bin/setsid", "/bin/setsid"].find(isProgram);

/**
 * The same command in a session of its own. One that is not there is left as it is, so that
 * starting it says what is wrong with it, and not what is wrong with `setsid`.
 */
export function inOwnSession(
  command: readonly string[],
  { path, setsid }: { path: string | undefined; setsid: string | undefined },
): SessionStart {
  const [program = "", ...args] = command;
  return setsid !== undefined && isFound(program, path)
    ? { program: setsid, args: ["--", ...command], detached: false }
    : { program, args, detached: true };
}

function isFound(program: string, path = ""): boolean {
  if (program.includes("/")) return isProgram(program);
  return program !== "" &&
    path.split(":").some((folder) => isProgram(`${folder || "."}/${program}`));
}

function isProgram(file: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(file);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    // Not there, or not to be looked at: whoever starts it is told why.
    return false;
  }
}
