/** Copies of files that were found damaged when they were opened. */
import { readQuarantine } from "../../store/quarantine.ts";
import type { Check, Finding } from "./check.ts";

export const quarantine: Check = {
  name: "quarantine",
  *look({ dataDir }): Generator<Finding> {
    for (const entry of readQuarantine(`${dataDir}/quarantine`)) {
      const { file, copy, what, accepted } = entry;
      yield {
        level: accepted ? "ok" : "damage",
        where: file,
        what: `${what} (a copy is quarantine/${copy}${accepted ? "; accepted" : ""})`,
        ...(accepted ? {} : { hint: "check the disk, then: evs doctor --accept" }),
        details: { ...entry },
      };
    }
  },
};
