/**
 * Gives a program that Deno starts its own session and process group, so that a signal reaches all
 * its children and Ctrl-C does not.
 *
 * Deno can do that itself (`detached`), but then it has to fork, and the kernel copies the page
 * tables of the whole runtime, which takes as long as four handlers that do nothing. `setsid` from
 * util-linux is started without a fork, and execs the program.
 */

/** How a command is started. */
export interface SessionStart {
  program: string;
  args: string[];
  /** Whether Deno has to create the session. */
  detached: boolean;
}

/** The path of `setsid`, if there is one. */
export const SETSID = ["/usr/bin/setsid", "/bin/setsid"].find(isProgram);

/**
 * The same command in its own session. A command that does not exist is left unchanged, so that the
 * error is about it and not about `setsid`.
 */
export function inOwnSession(
  command: readonly string[],
  { path, setsid }: { path: string | undefined; setsid: string | undefined },
): SessionStart {
  const [program = "", ...args] = command;
  return setsid !== undefined && findProgram(program, path) !== undefined
    ? { program: setsid, args: ["--", ...command], detached: false }
    : { program, args, detached: true };
}

/** The file of a program, which is looked for in the folders of `path` unless it has a slash. */
export function findProgram(program = "", path = ""): string | undefined {
  const candidates = program.includes("/")
    ? [program]
    : path.split(":").map((folder) => `${folder || "."}/${program}`);
  return program === "" ? undefined : candidates.find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(file);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    // Missing or not accessible: starting it will say why.
    return false;
  }
}
