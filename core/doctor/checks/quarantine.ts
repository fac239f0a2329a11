/** Copies of files that were found damaged when they were opened. */
import { readQuarantine } from "../../store/quarantine.ts";
import type { Check, Finding } from "./check.ts";

const RESTORE = "evs restore FILE brings back a backup; evs doctor --accept acknowledges the loss";

export const quarantine: Check = {
  name: "quarantine",
  *look({ dataDir }): Generator<Finding> {
    for (const entry of readQuarantine(`${dataDir}/quarantine`)) {
      const { file, copy, what, accepted, gone } = entry;
      const notes = [
        ...gone ? [] : [`a copy is quarantine/${copy}`],
        ...accepted ? ["accepted"] : [],
      ];
      yield {
        level: accepted ? "ok" : "damage",
        where: file,
        what: notes.length === 0 ? what : `${what} (${notes.join("; ")})`,
        ...(accepted ? {} : { hint: gone ? RESTORE : "check the disk, then: evs doctor --accept" }),
        details: { ...entry },
      };
    }
  },
};
