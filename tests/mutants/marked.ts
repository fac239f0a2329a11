/**
 * Processes of a run, found by what is in their environment: a daemon that a test starts leaves the
 * process group and its parent, but not that.
 */

/** The variable that marks the processes of a run. */
export const MARK = "EVS_MUTANT_RUN";

/** Ends all processes with the mark. Without `/proc` there are none to be found. */
export async function endMarked(mark: string): Promise<void> {
  // One may start another while we look.
  for (let pids = await marked(mark); pids.length > 0; pids = await marked(mark)) {
    for (const pid of pids) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function marked(mark: string): Promise<number[]> {
  const pids: number[] = [];
  for (const name of processes()) {
    try {
      const environment = await Deno.readTextFile(`/proc/${name}/environ`);
      if (environment.includes(`${MARK}=${mark}`)) pids.push(Number(name));
    } catch (error) {
      if (!isNoneOfOurs(error)) throw error;
    }
  }
  return pids;
}

/** True for a process that has ended (ESRCH), the kernel's own, and another user's. */
function isNoneOfOurs(error: unknown): boolean {
  const { NotFound, PermissionDenied } = Deno.errors;
  return error instanceof NotFound || error instanceof PermissionDenied ||
    (error instanceof Error && error.message.includes("(os error 3)"));
}

function processes(): string[] {
  try {
    return Array.from(Deno.readDirSync("/proc"), ({ name }) => name).filter((name) =>
      /^\d+$/.test(name)
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
