/** Trying again while a server is away, for a limited time. */
import type { Clock } from "../base/clock.ts";
import { CannotStoreError } from "../base/errors.ts";
import { isDatabaseAway } from "../protocol/database_url.ts";
import { AWAY, TryAgainError, UnknownOutcomeError } from "./errors.ts";

/** How long to try. */
export interface Patience {
  clock: Clock;
  /** Milliseconds in all. */
  patience: number;
  /** Stops trying. */
  signal?: AbortSignal;
}

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1000;

/**
 * Runs `work` again while it fails because the server is away or because two transactions met;
 * rejects with the last error when the time is up.
 */
export async function patiently<T>(
  work: () => Promise<T>,
  { clock, patience, signal }: Patience,
): Promise<T> {
  const until = clock.monotonic() + patience;
  for (let wait = FIRST_WAIT_MS;; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      const passes = isDatabaseAway(error) || error instanceof TryAgainError;
      const left = until - clock.monotonic();
      if (!passes || left <= 0 || signal?.aborted) throw error;
      await pause(clock, Math.min(wait, left), signal);
    }
  }
}

/**
 * Runs work that may be done twice without harm: that its outcome is unknown is no more than a server
 * that is away.
 */
export async function repeatable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnknownOutcomeError)) throw error;
    throw new CannotStoreError(error.message, { code: AWAY, cause: error });
  }
}

/** Waits, or until the signal is aborted. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.setTimer(done, ms);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
