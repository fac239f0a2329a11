/** Looks at a data dir with every check there is, one after the other. */
import type { Check, Finding, Patient } from "./check.ts";
import { eventDatabase } from "./checks/event_database.ts";
import { fileStore } from "./checks/file_store.ts";
import { quarantine } from "./checks/quarantine.ts";
import { running } from "./checks/running.ts";
import { stateDatabase } from "./checks/state_database.ts";
import { writeAheadLogs } from "./checks/write_ahead_logs.ts";

/** All checks, in the order of the report. */
export const checks: readonly Check[] = [
  running,
  writeAheadLogs,
  eventDatabase,
  fileStore,
  stateDatabase,
  quarantine,
];

/** A finding with the check that made it. */
export type Diagnosis = Finding & { check: string };

/** Runs the checks; one that fails is a finding itself, and the others go on. */
export async function* examine(
  patient: Patient,
  list: readonly Check[] = checks,
): AsyncGenerator<Diagnosis, void, undefined> {
  for (const check of list) {
    try {
      for await (const finding of check.look(patient)) yield { check: check.name, ...finding };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const hint = (error as { hint?: string }).hint;
      yield {
        check: check.name,
        level: "damage",
        where: check.name,
        what: `this could not be looked at: ${why}`,
        ...(hint === undefined ? {} : { hint }),
      };
    }
  }
}
