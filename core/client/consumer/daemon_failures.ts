/**
 * What to do when the daemon fails at a request. It may be about to end, because its disk fails,
 * and somebody starts it again: then a consumer goes on. When it lives on and fails again and again,
 * waiting would hide a bug.
 */
import { RemoteError } from "../../base/errors.ts";
import { isA } from "../../base/thrown.ts";

/** So many failures in a row end the consumer. */
const MOST = 3;

/** Counts the requests in a row at which the daemon has failed. */
export class DaemonFailures {
  #inARow = 0;

  /** True if the error is a failure of the daemon after which to try again. */
  mayPass(error: unknown): boolean {
    if (!isDaemonFailure(error)) return false;
    return ++this.#inARow < MOST;
  }

  /** A request has succeeded. */
  clear(): void {
    this.#inARow = 0;
  }
}

/** True if the daemon says that the failure is its own. */
export function isDaemonFailure(error: unknown): boolean {
  return isA(error, RemoteError) && error.code === "internal/bug";
}
