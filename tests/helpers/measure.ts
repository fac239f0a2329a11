/**
 * The memory and processor time of a process as the kernel reports them (proc(5)), and statistics
 * of waits.
 */

/** Resident memory now, bytes. */
export function residentMemory(pid: number): number {
  return kilobytes(pid, "VmRSS") * 1024;
}

/**
 * Starts a new peak (proc_pid_clear_refs(5)); read it with `peakMemory` of tests/helpers/shell.ts.
 */
export function resetPeak(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

function kilobytes(pid: number, name: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)![1]);
}

/**
 * Processor time used so far, ms: user and system (proc_pid_stat(5), fields 14 and 15, in ticks of
 * 10 ms).
 */
export function processorTime(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The number of open descriptors. */
export function descriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/**
 * The number of the daemon's writer threads: the one for events, and the one for the state if it
 * has written recently.
 */
export function writers(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].filter(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/task/${name}/comm`).startsWith("worker-");
    } catch (error) {
      // It ended between the two reads.
      if (error instanceof Deno.errors.NotFound) return false;
      if ((error as { code?: string }).code === "ESRCH") return false;
      throw error;
    }
  }).length;
}

/** The 99th percentile. */
export function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)]!;
}

/** Bytes as mebibytes, for messages. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

export const MIB = 1024 * 1024;
