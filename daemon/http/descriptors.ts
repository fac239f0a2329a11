/**
 * File descriptors. Stores need them too, so connections are limited to fewer than the process may
 * open (contract row 17). The daemon's permissions do not
 * let it ask for the limit (neither getrlimit nor /proc), so it finds out by opening files.
 */
import { CannotStoreError } from "../../core/base/errors.ts";

/** Reserved for databases, logs and connections that are being refused, whatever the limit is. */
const LEAST_RESERVE = 8;
/** What may be used up for a while. */
export type Lack = "descriptor" | "memory";

/** ENFILE. */
const MACHINE_HAS_NONE = "(os error 23)";
/** By the code of the error. */
const LACKS: Readonly<Record<string, Lack>> = {
  EMFILE: "descriptor",
  ENOBUFS: "memory",
  ENOMEM: "memory",
};

/** One in this many is reserved for stores that open a file per topic. */
const RESERVED_PART = 4;

/**
 * How many to look for before the daemon serves. The kernel grows its table in steps that take
 * milliseconds: only one step.
 */
export const FIRST_LOOK = 64;

/** How many more descriptors can be opened, counted up to `most`; `path` is any readable file. */
export function freeDescriptors(path: string, most: number): number {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < most) files.push(Deno.openSync(path, { read: true }));
  } catch (error) {
    if (lackOf(error) !== "descriptor") throw error;
  } finally {
    for (const file of files) file.close();
  }
  return files.length;
}

/** The same, yielding to other work. */
export async function countDescriptors(path: string, most: number): Promise<number> {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < most) files.push(await Deno.open(path, { read: true }));
  } catch (error) {
    if (lackOf(error) !== "descriptor") throw error;
  } finally {
    for (const file of files) file.close();
  }
  return files.length;
}

/** What an open or an accept lacked that will be there again; undefined for any other error. */
export function lackOf(error: unknown): Lack | undefined {
  const { code, message } = error as { code?: string; message?: string };
  // Deno has no code for this one.
  if (code === undefined && message?.endsWith(MACHINE_HAS_NONE)) return "descriptor";
  return LACKS[code ?? ""];
}

/** The descriptors needed for this many connections, with the reserve. */
export function descriptorsFor(connections: number): number {
  const reserve = Math.ceil(connections / (RESERVED_PART - 1));
  return connections + Math.max(LEAST_RESERVE, reserve);
}

/**
 * The number of connections possible: as many as wanted, or fewer. Throws `CannotStoreError` if not
 * even one is.
 */
export function connectionLimit(free: number, wanted: number): number {
  const reserve = Math.max(LEAST_RESERVE, Math.ceil(free / RESERVED_PART));
  const limit = Math.min(wanted, free - reserve);
  if (limit >= 1) return limit;
  throw new CannotStoreError(
    `the daemon may open ${free} more files, which leaves none for connections`,
    { code: "daemon/descriptors", hint: "raise the limit: ulimit -n 1024" },
  );
}
