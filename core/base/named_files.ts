/**
 * Files that are written to must still be found under their names. A data dir that was removed
 * below a running process takes everything as before, and loses it when the process ends: so before
 * something is acknowledged, the files that it stands for are looked for.
 */
import { DataDirError } from "./errors.ts";

interface Named {
  path: string;
  dev: number;
  ino: number | null;
}

/** Remembers which files stand behind paths. */
export class NamedFiles {
  readonly #files: Named[] = [];

  /** Those of these paths that are there now. */
  constructor(paths: readonly string[]) {
    for (const path of paths) {
      const info = infoOf(path);
      if (info) this.#files.push({ path, dev: info.dev, ino: info.ino });
    }
  }

  /** Throws `DataDirError` where one of them is gone, or another file has its name. */
  check(): void {
    for (const { path, dev, ino } of this.#files) {
      const info = infoOf(path);
      if (info?.ino !== ino || info.dev !== dev) throw takenAway(path);
    }
  }
}

/** What is told of a file that is in use and has no name any more. */
export function takenAway(path: string): DataDirError {
  return new DataDirError(
    "datadir/taken-away",
    `${path} was removed or replaced while it was in use: nothing is acknowledged any more`,
    { hint: "bring back the data dir, from a backup where need be, then start again" },
  );
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
