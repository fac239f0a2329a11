/** Runs every check on a data dir, one after another. */
import { Seen } from "../store/seen.ts";
import { alerts } from "./checks/alerts.ts";
import type { Check, CheckContext, CheckResults } from "./checks/check.ts";
import { clock, CLOCK_SLACK } from "./checks/clock.ts";
import { eventDatabase } from "./checks/event_database.ts";
import { fileStore } from "./checks/file_store.ts";
import { foreignFiles } from "./checks/foreign_files.ts";
import { heldBack } from "./checks/held_back.ts";
import { history } from "./checks/history.ts";
import { heldLeases } from "./checks/held_leases.ts";
import { leftBehindFolders } from "./checks/left_behind.ts";
import { modes } from "./checks/modes.ts";
import { quarantine } from "./checks/quarantine.ts";
import { diskSpace } from "./checks/disk_space.ts";
import { running } from "./checks/running.ts";
import { schemas } from "./checks/schemas.ts";
import { spool } from "./checks/spool.ts";
import { socket } from "./checks/socket.ts";
import { stateDatabase } from "./checks/state_database.ts";
import { subscriptions } from "./checks/subscriptions.ts";
import { wholeDataDir } from "./checks/whole.ts";
import { writeAheadLogs } from "./checks/write_ahead_logs.ts";
import { diagnosesOf, type Diagnosis } from "./checks/diagnosis.ts";

/**
 * All checks, in the order of the report. Those after the store checks use what these have read.
 */
export const checks: readonly Check[] = [
  running,
  writeAheadLogs,
  eventDatabase,
  fileStore,
  stateDatabase,
  wholeDataDir,
  quarantine,
  modes,
  foreignFiles,
  leftBehindFolders,
  spool,
  history,
  socket,
  clock,
  diskSpace,
  subscriptions,
  heldBack,
  heldLeases,
  alerts,
  schemas,
];

/** Runs the checks. A check that fails becomes a finding itself, and the others continue. */
export async function* examine(
  context: CheckContext,
  list: readonly Check[] = checks,
): AsyncGenerator<Diagnosis, void, undefined> {
  const record: CheckResults = { ends: new Map() };
  if (!context.quick) record.seen = new Seen({ now: context.now + CLOCK_SLACK });
  for (const check of list) {
    yield* diagnosesOf(check.name, () => check.look(context, record));
  }
}
