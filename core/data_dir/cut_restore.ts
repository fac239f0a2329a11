/**
 * Handles an `evs restore` that was interrupted by a kill or a power cut. A restore unpacks beside
 * the data dir, marks the result as complete, moves the data dir aside, and renames the new one
 * into its place. If it was interrupted between the two renames, there is no data dir; an empty one
 * must not be created there.
 *
 * ```text
 * data.restoring-STAMP          being unpacked; complete once it has the file `watermarks`
 * data.before-restore-STAMP     the previous data dir, moved aside
 * ```
 */
import { exists } from "../base/if_there.ts";
import { DataDirError } from "../base/errors.ts";
import { readWatermarks } from "./watermarks.ts";

const RESTORING = ".restoring-";
const BEFORE = ".before-restore-";

/** Where a restore that starts now unpacks to, and where it moves the previous data dir. */
export function restorePaths(dataDir: string, now: number): { staging: string; keptAt: string } {
  const stamp = new Date(now).toISOString().replaceAll(/[-:.]/g, "");
  return { staging: `${dataDir}${RESTORING}${stamp}`, keptAt: `${dataDir}${BEFORE}${stamp}` };
}

/** What an interrupted restore left behind. */
export interface CutRestore {
  /**
   * `finish`: the unpacked copy is complete and becomes the data dir. `take back`: the previous
   * data dir is put back.
   */
  way: "finish" | "take back";
  /** The folder that becomes the data dir. */
  from: string;
  /** Where the previous data dir is kept once the restore is finished. */
  keptAt?: string;
}

/** Finds what an interrupted restore left if the data dir is missing. Changes nothing. */
export function findCutRestore(dataDir: string): CutRestore | undefined {
  if (exists(dataDir)) return undefined;
  const stamps = stampsBeside(dataDir, RESTORING).reverse();
  const isComplete = (stamp: string) =>
    readWatermarks(`${dataDir}${RESTORING}${stamp}`)?.phase === "restored";
  // The restore that had already moved the data dir aside.
  const half = stamps.find((stamp) => exists(`${dataDir}${BEFORE}${stamp}`));
  const whole = half ?? stamps.find(isComplete);
  if (whole === undefined) return undefined;
  const keptAt = `${dataDir}${BEFORE}${whole}`;
  if (!isComplete(whole)) return { way: "take back", from: keptAt };
  return {
    way: "finish",
    from: `${dataDir}${RESTORING}${whole}`,
    keptAt: half && keptAt,
  };
}

/**
 * Finishes an interrupted restore or rolls it back, and returns a description of what was done;
 * undefined if there was none. Throws `DataDirError` while a restore is running.
 */
export function settleRestore(dataDir: string): string | undefined {
  const cut = findCutRestore(dataDir);
  if (!cut) return undefined;
  const lock = Deno.openSync(cut.from, { read: true });
  try {
    if (!lock.tryLockSync(true)) {
      throw new DataDirError("datadir/locked", `a restore of ${dataDir} is under way`, {
        hint: "wait until it has ended, then try again",
      });
    }
    Deno.renameSync(cut.from, dataDir);
    syncFolder(parentOf(dataDir));
  } finally {
    lock.close();
  }
  return `a restore of ${dataDir} was cut short: ${outcome(cut)}`;
}

function outcome({ way, keptAt }: CutRestore): string {
  if (way === "take back") return "it was rolled back, and the data dir is as it was before";
  return `it was finished${keptAt === undefined ? "" : `; the previous data dir is ${keptAt}`}`;
}

/** What unfinished restores left beside an existing data dir. */
export function leftovers(dataDir: string): string[] {
  if (!exists(dataDir)) return [];
  return stampsBeside(dataDir, RESTORING).map((stamp) => `${dataDir}${RESTORING}${stamp}`);
}

/** The folder that contains a path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Returns once the folder's entries would survive a power cut. */
export function syncFolder(path: string): void {
  const folder = Deno.openSync(path, { read: true });
  try {
    folder.syncSync();
  } finally {
    folder.close();
  }
}

/** The stamps of one kind beside the data dir, oldest first. */
function stampsBeside(dataDir: string, kind: string): string[] {
  const parent = parentOf(dataDir);
  const begin = `${dataDir.slice(dataDir.lastIndexOf("/") + 1)}${kind}`;
  try {
    return [...Deno.readDirSync(parent)]
      .filter(({ name, isDirectory }) => isDirectory && name.startsWith(begin))
      .map(({ name }) => name.slice(begin.length)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
