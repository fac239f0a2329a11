/** What a request is answered that failed for a reason that is known, and is no bug. */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { missingPackage } from "../../core/base/missing_package.ts";
import type { Services } from "../services.ts";
import { isUnexpected } from "./router.ts";

/** The runtime does not try again in the same process. */
const RESTART = "run evs daemon restart";

/**
 * The error itself, unless it is one that nobody foresaw: `runtime/package-missing` if a package is
 * not there; `daemon/failed` if a store or the state has failed (contract row 7). Then the daemon
 * ends. The request may have been carried out: nobody knows what a failed sync has stored.
 */
export function orFailed(error: unknown, { broker }: Pick<Services, "broker">): unknown {
  if (error === undefined || !isUnexpected(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  if (broker.failed === undefined) return missingPackage(why, { then: RESTART }) ?? error;
  return new EvsError(
    { code: "daemon/failed", status: 500, exit: ExitCode.CannotStore },
    `the daemon cannot rely on its disk any more, and ends: ${why}`,
    { hint: "evs daemon logs says what failed; evs daemon start", cause: error },
  );
}
