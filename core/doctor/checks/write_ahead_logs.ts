/**
 * The SQLite WALs of a data dir that no daemon has open: checks for content that SQLite would
 * silently discard.
 */
import { walFault } from "../../store/sqlite/salvage/repair_wal.ts";
import type { Check, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";

export const writeAheadLogs: Check = {
  name: "write-ahead-logs",
  *look({ dataDir, status }): Generator<Finding> {
    // A running daemon checked them when it started, and is writing to them now.
    if (status) return;
    for (const where of ["events.db-wal", "state.db-wal"]) {
      const path = `${dataDir}/${where}`;
      if (!exists(path)) continue;
      const what = walFault(Deno.readFileSync(path));
      if (what === undefined) continue;
      const hint = "evs daemon start repairs it, and keeps a copy in the folder quarantine";
      yield { level: "damage", where, what, hint };
    }
  },
};
