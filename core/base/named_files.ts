/**
 * Checks that files being written to still exist under their names. When a data dir is removed
 * beneath a running process, writes still succeed, and are lost when the process ends. So the files
 * that hold an event are checked before it is acknowledged.
 */
import { lstat } from "./if_there.ts";
import { DataDirError } from "./errors.ts";

interface Named {
  path: string;
  dev: number;
  ino: number | null;
}

/** Remembers which file each path refers to. */
export class NamedFiles {
  readonly #files: Named[] = [];

  /** Records those of `paths` that exist now. */
  constructor(paths: readonly string[]) {
    for (const path of paths) {
      const info = lstat(path);
      if (info) this.#files.push({ path, dev: info.dev, ino: info.ino });
    }
  }

  /** Throws `DataDirError` if one of them is gone, or its name now refers to another file. */
  check(): void {
    for (const { path, dev, ino } of this.#files) {
      const info = lstat(path);
      if (info?.ino !== ino || info.dev !== dev) throw takenAway(path);
    }
  }
}

/** The error for a file in use whose name is gone. */
export function takenAway(path: string): DataDirError {
  return new DataDirError(
    "datadir/taken-away",
    `${path} was removed or replaced while it was in use: nothing is acknowledged any more`,
    { hint: "bring back the data dir, from a backup where need be, then start again" },
  );
}
