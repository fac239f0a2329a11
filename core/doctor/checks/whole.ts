/**
 * The data dir as a whole: compares the files that exist now with those from when it was last used,
 * and the stores with what the state remembers of them.
 */
import { knownEnds, lostEnds } from "../../broker/known_ends.ts";
import {
  DATABASES,
  type MissingFile,
  missingFiles,
  olderState,
} from "../../data_dir/missing_files.ts";
import { leftovers } from "../../data_dir/cut_restore.ts";
import { readWatermarks, type Watermarks } from "../../data_dir/watermarks.ts";
import type { StateSnapshot } from "../../state/state.ts";
import type { Check, CheckContext, CheckResults, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";

const RESTORE =
  "evs restore FILE brings back a backup; evs daemon start continues with what is left";

export const wholeDataDir: Check = {
  name: "whole",
  *look(context, record): Generator<Finding> {
    const { dataDir, status } = context;
    const marks = readWatermarks(dataDir);
    for (const where of leftovers(dataDir)) {
      const what = "an evs restore that was cut short left it; the data dir is not touched by that";
      yield { level: "warning", where, what, hint: `rm -r '${where}', and restore again` };
    }
    const damage = ({ file, what }: MissingFile): Finding => ({
      level: "damage",
      where: file,
      what,
      hint: RESTORE,
    });
    if (status) {
      yield* takenAway(dataDir, marks).map(damage);
      return;
    }
    const missing = missingFiles(marks, (name) => changedAt(`${dataDir}/${name}`));
    // The check of the state database reports this one.
    const told = exists(`${dataDir}/events.db`) ? "state.db" : undefined;
    yield* missing.filter(({ file }) => file !== told).map(damage);
    const older = record.state && olderState(marks, record.state.generation);
    if (older) yield damage(older);
    yield* endsOf(context, record, marks).map(damage);
  },
};

/** Topics that end before the last seq that is remembered of them. */
function endsOf(
  { dataDir, quick }: CheckContext,
  { ends, state }: CheckResults,
  marks: Watermarks | undefined,
): MissingFile[] {
  const known = Array.from(marks?.ends ?? [], ([topic, lastSeq]) => ({ topic, lastSeq }));
  const nothing = { cursors: [], done: [], missed: [], ends: [] };
  const last = knownEnds(state ? durableOf(state, dataDir, marks) : nothing, known);
  const lost = lostEnds(last, (topic) => {
    const lastSeq = ends.get(topic);
    // The file store is not read with `quick`.
    if (lastSeq === undefined && quick) return undefined;
    return { firstSeq: 1, lastSeq: lastSeq ?? 0, bytes: 0 };
  });
  const kinds = new Map(state?.topics.map(({ name, options }) => [name, options.store]));
  return lost.map(({ topic, firstSeq, lastSeq }) => ({
    file: kinds.get(topic) === "file" ? "events" : "events.db",
    what: `events ${firstSeq} to ${lastSeq} of ${topic} are gone: they are remembered, and the ` +
      `store ends at ${firstSeq - 1}`,
  }));
}

/**
 * What a state remembers of topics whose events are kept. Topics in memory start anew with every
 * start.
 */
function durableOf(
  { topics, cursors, done, missed, ends }: StateSnapshot,
  dataDir: string,
  marks: Watermarks | undefined,
): Pick<StateSnapshot, "cursors" | "done" | "missed" | "ends"> {
  const isThere = ["events.db", "events"].some((name) =>
    exists(`${dataDir}/${name}`) || marks?.files.includes(name)
  );
  const kept = new Set(
    topics.filter(({ options: { persistent, store } }) =>
      persistent && store !== "memory" && (store !== "default" || isThere)
    ).map(({ name }) => name),
  );
  const isKept = ({ topic }: { topic: string }) => kept.has(topic);
  return {
    cursors: cursors.filter(isKept),
    done: done.filter(isKept),
    missed: missed.filter(isKept),
    ends,
  };
}

/** Files that a running daemon has open and whose names are gone. */
function takenAway(dataDir: string, marks: Watermarks | undefined): MissingFile[] {
  if (marks?.phase !== "open") return [];
  return marks.files
    .flatMap((name) => DATABASES.includes(name) ? [name, `${name}-wal`] : [name])
    .filter((name) => !exists(`${dataDir}/${name}`))
    .map((file) => ({ file, what: "it was removed while the daemon was running" }));
}

function changedAt(path: string): number | undefined {
  return exists(path) ? Deno.lstatSync(path).mtime?.getTime() ?? 0 : undefined;
}
