/**
 * Descriptors. The runtime stops accepting for good when it once finds none left, so the
 * connections are capped below what the process may open (contract row 17). The limit itself cannot
 * be asked for with the daemon's permissions (neither getrlimit nor /proc): what can be opened is
 * found by opening it.
 */
import { CannotStoreError } from "../../core/base/errors.ts";

/** Kept for databases, logs and connections that are being refused, whatever the limit is. */
const LEAST_RESERVE = 8;
/** And this part of all, for stores that open a file for each topic. */
const RESERVED_PART = 4;

/**
 * The kernel's queue of connections that wait to be accepted, where nothing is short: the usual
 * length.
 */
export const LONGEST_QUEUE = 511;

/**
 * So many are looked for before the daemon serves. The kernel's table grows in steps of
 * milliseconds: no more than one.
 */
export const FIRST_LOOK = 64;

/**
 * How many descriptors can still be opened, counted up to `most`; `path` is anything that may be
 * read.
 */
export function freeDescriptors(path: string, most: number): number {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < most) files.push(Deno.openSync(path, { read: true }));
  } catch (error) {
    if (!isExhausted(error)) throw error;
  } finally {
    for (const file of files) file.close();
  }
  return files.length;
}

/** The same, while others go on. */
export async function countDescriptors(path: string, most: number): Promise<number> {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < most) files.push(await Deno.open(path, { read: true }));
  } catch (error) {
    if (!isExhausted(error)) throw error;
  } finally {
    for (const file of files) file.close();
  }
  return files.length;
}

function isExhausted(error: unknown): boolean {
  return (error as { code?: string }).code === "EMFILE";
}

/**
 * The descriptors that so many connections ask for, with the reserve and a queue of the usual
 * length.
 */
export function descriptorsFor(connections: number): number {
  const reserve = Math.ceil(connections / (RESERVED_PART - 1));
  return connections + Math.max(LEAST_RESERVE, reserve, LONGEST_QUEUE);
}

/**
 * The connections that can be had: those that are wanted, or fewer. Throws `CannotStoreError` when
 * there is room for none.
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
