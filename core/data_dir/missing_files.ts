/**
 * Finds files that a data dir had when it was last used and that are now gone. Pure: the facts
 * about files are passed in.
 */
import type { Watermarks } from "./watermarks.ts";
import { WATERMARKS_FILE } from "./watermarks.ts";

/**
 * Returns when a file in the data dir was last modified, Unix ms; undefined if it does not exist.
 */
export type ChangedAt = (name: string) => number | undefined;

/** A missing file, and what that means. */
export interface MissingFile {
  /** Its name in the data dir. */
  file: string;
  /** One sentence for people. */
  what: string;
}

/** The databases in a data dir whose loss a start can notice. */
export const DATABASES: readonly string[] = ["events.db", "state.db"];

const MEANING: Record<string, string> = {
  "events.db": "it is gone: the events that were in it are lost",
  "events": "it is gone: the events of the file store are lost",
  "state.db": "it is gone: subscriptions, retries, dead letters and schemas are lost",
};

/** Files named in the watermarks that are gone. */
export function missingFiles(marks: Watermarks | undefined, changedAt: ChangedAt): MissingFile[] {
  if (!marks) return [];
  const missing: MissingFile[] = [];
  for (const file of marks.files) {
    const what = MEANING[file] ?? "it is gone";
    if (changedAt(file) === undefined) missing.push({ file, what });
  }
  if (marks.phase !== "open") return missing;
  for (const database of DATABASES) {
    const changed = changedAt(database);
    const log = `${database}-wal`;
    if (!marks.files.includes(database) || changed === undefined) continue;
    // Another program may have opened the database and checkpointed its WAL. In that case the
    // database was modified after the watermarks.
    if (changedAt(log) !== undefined || changed > marks.writtenAt) continue;
    const what = "it is gone, and the daemon was killed: what was in it and not yet in " +
      `${database} is lost`;
    missing.push({ file: log, what });
  }
  return missing;
}

/** Whether the state database is older than the watermarks say; undefined if the two agree. */
export function olderState(
  marks: Watermarks | undefined,
  generation: number,
): MissingFile | undefined {
  if (marks && generation < marks.generation) {
    return {
      file: "state.db",
      what:
        "it is older than the data dir: what was changed since, subscriptions, outcomes, dead " +
        "letters and schemas, is lost",
    };
  }
  // Once the state has a generation, there are watermarks beside it, from the first start on.
  if (marks || generation === 0) return undefined;
  return {
    file: WATERMARKS_FILE,
    what: "it is gone or damaged: there is no telling what has gone missing since the last start",
  };
}
