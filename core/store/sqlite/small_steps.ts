/**
 * Deleting on a full disk. A transaction writes each page it touches to the write-ahead log, so
 * deleting many events needs as much space as they take. In steps, with the log restarted after
 * each, it needs the space of one step, which the log already has.
 */
import type { DatabaseSync } from "node:sqlite";
import { CannotStoreError } from "../../base/errors.ts";
import { asSqliteStoreError } from "./sqlite_error.ts";

/** Rows: the first step, the smallest and the largest. */
const [FIRST, SMALLEST, LARGEST] = [1024, 16, 65_536];

/** True for an error that ends once there is free space. */
function isDiskFull(error: unknown): boolean {
  return error instanceof CannotStoreError && error.code === "store/disk-full";
}

/**
 * Runs `atOnce`; if the disk has no space for that, runs `step` with a number of rows until it
 * returns false. Steps that are done stay done if a later one throws.
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

/** Checkpoints the log into the database, so that the next transaction overwrites it. */
function beginLogAnew(database: DatabaseSync): void {
  try {
    database.prepare("PRAGMA wal_checkpoint(RESTART)").get();
  } catch (error) {
    // The database would have to grow, and cannot: the next step finds out whether the log has
    // space.
    if (!isDiskFull(asSqliteStoreError(error))) throw error;
  }
}
