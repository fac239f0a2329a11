/**
 * An `evs restore` that was cut short: killed, or by a power cut. A restore unpacks beside the data dir, marks what it has
 * unpacked as complete, puts the data dir aside, and lets the new one take its place. Cut between the two renames, there is
 * no data dir; an empty one must not be made there.
 *
 * ```text
 * data.restoring-STAMP          being unpacked; complete when it has the file `watermarks`
 * data.before-restore-STAMP     the data dir of before, put aside
 * ```
 */
import { DataDirError } from "../base/errors.ts";
import { readWatermarks } from "./watermarks.ts";

const RESTORING = ".restoring-";
const BEFORE = ".before-restore-";

/** Where a restore that begins now unpacks, and where it puts the data dir of before. */
export function restorePaths(dataDir: string, now: number): { staging: string; keptAt: string } {
  const stamp = new Date(now).toISOString().replaceAll(/[-:.]/g, "");
  return { staging: `${dataDir}${RESTORING}${stamp}`, keptAt: `${dataDir}${BEFORE}${stamp}` };
}

/** What a restore left that was cut short. */
export interface CutRestore {
  /**
   * `finish`: what it unpacked is complete, and takes its place. `take back`: the data dir of
   * before does.
   */
  way: "finish" | "take back";
  /** The folder that becomes the data dir. */
  from: string;
  /** Where the data dir of before is, when the restore is finished. */
  keptAt?: string;
}

/** What a cut restore left where the data dir is not there; undefined: nothing. Changes nothing. */
export function findCutRestore(dataDir: string): CutRestore | undefined {
  if (exists(dataDir)) return undefined;
  const stamps = stampsBeside(dataDir, RESTORING).reverse();
  const isComplete = (stamp: string) =>
    readWatermarks(`${dataDir}${RESTORING}${stamp}`)?.phase === "restored";
  // The one that had put the data dir aside.
  const half = stamps.find((stamp) => exists(`${dataDir}${BEFORE}${stamp}`));
  const whole = half ?? stamps.find(isComplete);
  if (whole === undefined) return undefined;
  const keptAt = `${dataDir}${BEFORE}${whole}`;
  if (!isComplete(whole)) return { way: "take back", from: keptAt };
  return {
    way: "finish",
    from: `${dataDir}${RESTORING}${whole}`,
    ...(half === undefined ? {} : { keptAt }),
  };
}

/**
 * Finishes a restore that was cut short, or takes it back: what was done, in words; undefined where
 * there was none. Throws `DataDirError` while a restore is under way.
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
  if (way === "take back") return "it was taken back, the data dir is as it was before";
  return `it was finished${keptAt === undefined ? "" : `; what was there before is ${keptAt}`}`;
}

/** What unfinished restores left beside a data dir that is there. */
export function leftovers(dataDir: string): string[] {
  if (!exists(dataDir)) return [];
  return stampsBeside(dataDir, RESTORING).map((stamp) => `${dataDir}${RESTORING}${stamp}`);
}

/** The folder that a path is in. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Returns when the folder's entries survive a power cut. */
export function syncFolder(path: string): void {
  const folder = Deno.openSync(path, { read: true });
  try {
    folder.syncSync();
  } finally {
    folder.close();
  }
}

/** Stamps of a kind beside the data dir, the oldest first. */
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

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
