/**
 * Deleting on a full disk. A transaction writes each page it touches to the write-ahead log, so
 * deleting many events needs as much space as they take. In steps, with the log restarted before
 * each, it needs the space of one step, which the log or the reserve (log_growth.ts) has.
 */
import { CannotStoreError, isDiskFull } from "../../base/errors.ts";
import { shellQuote } from "../../base/shell_quote.ts";
import type { LogGrowth } from "./log_growth.ts";

/**
 * Rows: the first step and the largest. The first has the size of a block, because a block that is
 * deleted whole need not be rebuilt. The smallest is a single row, since with keys each row may
 * touch an index page of its own.
 */
const [FIRST, LARGEST] = [1024, 65_536];

/** A deletion, whole or in steps. */
export interface Deletion {
  atOnce: () => void;
  /** Deletes at most so many rows; false if nothing is left. */
  step: (rows: number) => boolean;
  /** What the steps have deleted so far, in words; undefined if nothing. */
  done: () => string | undefined;
}

/**
 * Runs `atOnce`; if the disk has no space for that, or had none before, runs `step` with a number of
 * rows until it returns false. Steps that are done stay done if a later one throws; the error says
 * so, and whether somebody who reads the database is in the way.
 */
export function atOnceOrInSteps(
  log: LogGrowth,
  { atOnce, step, done }: Deletion,
): void {
  // A failed transaction leaves a longer log behind, which takes the space that a step needs.
  if (!log.isFull) {
    try {
      return atOnce();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }
  let isRead = false;
  for (let rows = FIRST;;) {
    try {
      // Wait for a long reader only once.
      isRead = !log.restart(isRead ? "PASSIVE" : "RESTART") || isRead;
    } catch (error) {
      // The database would have to grow, and cannot: the step finds out whether the log has space.
      if (!isDiskFull(error)) throw error;
    }
    try {
      if (!step(rows)) return;
      rows = Math.min(LARGEST, rows * 2);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      if (rows === 1) {
        throw stoppedMidway(error as CannotStoreError, { path: log.path, isRead, done: done() });
      }
      rows = Math.max(1, rows >> 2);
    }
  }
}

function stoppedMidway(
  error: CannotStoreError,
  { path, isRead, done }: { path: string; isRead: boolean; done: string | undefined },
): CannotStoreError {
  const file = path.slice(path.lastIndexOf("/") + 1);
  const find = `fuser ${shellQuote(path)}`;
  const [why] = error.message.split(":");
  const reader = `, and somebody is reading ${file}, so that its log cannot be emptied`;
  return new CannotStoreError(
    `${why}${isRead ? reader : ""}: ${done ?? "nothing was deleted"}`,
    {
      code: error.code,
      cause: error,
      hint: isRead
        ? `end the program that reads it (${find} names it), then the same again: it goes on`
        : "make room, then the same again: it goes on",
    },
  );
}
