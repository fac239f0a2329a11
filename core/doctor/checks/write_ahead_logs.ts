/**
 * SQLite's logs of a data dir that no daemon has open: what SQLite would drop of them without a
 * word.
 */
import { walFault } from "../../store/sqlite/salvage/repair_wal.ts";
import type { Check, Finding } from "./check.ts";
import { exists } from "./files.ts";

export const writeAheadLogs: Check = {
  name: "write-ahead-logs",
  *look({ dataDir, status }): Generator<Finding> {
    // A running daemon has looked at them when it started, and writes to them now.
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
