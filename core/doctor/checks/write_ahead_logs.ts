/**
 * The SQLite WALs of a data dir that no daemon has open: checks for content that SQLite would
 * silently discard.
 */
import { walFault } from "../../store/sqlite/salvage/repair_wal.ts";
import { missingFrames } from "../../store/sqlite/salvage/wal_index.ts";
import type { Check, Finding } from "./check.ts";
import { counted } from "./counted.ts";
import { ifThere } from "../../base/if_there.ts";

export const writeAheadLogs: Check = {
  name: "write-ahead-logs",
  *look({ dataDir, status }): Generator<Finding> {
    // A running daemon checked them when it started, and is writing to them now.
    if (status) return;
    for (const where of ["events.db-wal", "state.db-wal"]) {
      const path = `${dataDir}/${where}`;
      const log = ifThere(() => Deno.readFileSync(path));
      const index = ifThere(() => Deno.readFileSync(path.replace(/-wal$/, "-shm")));
      const missing = index ? missingFrames(log ?? new Uint8Array(), index) : 0;
      if (missing > 0) yield cut(where, missing);
      const what = log && walFault(log);
      if (what === undefined) continue;
      const hint = "evs daemon start repairs it, and keeps a copy in the folder quarantine";
      yield { level: "damage", where, what, hint };
    }
  },
};

/** What was acknowledged may be in it; but a power cut takes frames, too, that nobody was told of. */
function cut(where: string, missing: number): Finding {
  return {
    level: "warning",
    where,
    what: `it lacks the last ${counted(missing, "frame")} that were written: it was cut or ` +
      "removed, or the power went before they were on the disk",
    hint: "if the power did not go, evs restore FILE brings back a backup",
  };
}
