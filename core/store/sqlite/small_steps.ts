/**
 * Deleting on a full disk. A transaction writes each page that it touches to the log, so that
 * taking away many events needs as much room as they take. In steps, with the log begun anew after
 * each, it needs the room of one step, and that the log has.
 */
import type { DatabaseSync } from "node:sqlite";
import { CannotStoreError } from "../../base/errors.ts";
import { asSqliteStoreError } from "./sqlite_error.ts";

/** The first step, and the smallest and the largest one: rows. */
const [FIRST, SMALLEST, LARGEST] = [1024, 16, 65_536];

/** True for what ends once there is room. */
function isDiskFull(error: unknown): boolean {
  return error instanceof CannotStoreError && error.code === "store/disk-full";
}

/**
 * Does it at once; where the disk has no room for that, a number of rows at a time until `step`
 * returns false. What was done before a step throws is done.
 */
export function atOnceOrInSteps(
  database: DatabaseSync,
  { atOnce, step }: { atOnce: () => void; step: (rows: number) => boolean },
): void {
  try {
    return atOnce();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
  for (let rows = FIRST;;) {
    beginLogAnew(database);
    try {
      if (!step(rows)) return;
      rows = Math.min(LARGEST, rows * 2);
    } catch (error) {
      if (!isDiskFull(error) || rows === SMALLEST) throw error;
      rows = Math.max(SMALLEST, rows >> 2);
    }
  }
}

/** What the log holds goes into the database, and the next transaction is written over it. */
function beginLogAnew(database: DatabaseSync): void {
  try {
    database.prepare("PRAGMA wal_checkpoint(RESTART)").get();
  } catch (error) {
    // The database has to grow for it, and cannot: the step will find whether the log has room.
    if (!isDiskFull(asSqliteStoreError(error))) throw error;
  }
}
