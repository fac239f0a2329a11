/**
 * Files of a data dir that were there when it was last used, and are gone. Decides only; the
 * answers about files come in.
 */
import type { Watermarks } from "./watermarks.ts";
import { WATERMARKS_FILE } from "./watermarks.ts";

/**
 * What is asked of the files of a data dir: when one was last changed, Unix ms; undefined when it
 * is not there.
 */
export type ChangedAt = (name: string) => number | undefined;

/** A file that is gone, and what that means. */
export interface MissingFile {
  /** By name in the data dir. */
  file: string;
  /** In one sentence. */
  what: string;
}

/** What is in a data dir that a start may miss. */
export const DATABASES: readonly string[] = ["events.db", "state.db"];

const MEANING: Record<string, string> = {
  "events.db": "it is gone: the events that were in it are lost",
  "events": "it is gone: the events of the file store are lost",
  "state.db": "it is gone: subscriptions, retries, dead letters and schemas are lost",
};

/**
 * Files that the marks name and that are gone. `generation`: the state's own count, where it can be
 * read.
 */
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
    // Another program that opened the database may have put its log into it: then the database was
    // changed since.
    if (changedAt(log) !== undefined || changed > marks.writtenAt) continue;
    const what = "it is gone, and the daemon was killed: what was in it and not yet in " +
      `${database} is lost`;
    missing.push({ file: log, what });
  }
  return missing;
}

/** What a state says of itself that does not fit the marks; undefined: nothing. */
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
  // A state that was counted has marks beside it, from the first start on.
  if (marks || generation === 0) return undefined;
  return {
    file: WATERMARKS_FILE,
    what: "it is gone or damaged: what is missing since the last start cannot be told",
  };
}
