/** The answer to requests that were under way when a disk failed (contract row 7). */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import type { Services } from "../services.ts";
import { isUnexpected } from "./router.ts";

/**
 * The error itself; `daemon/failed` if it is one that nobody foresaw and a store or the state has
 * failed. Then the daemon ends, and that is no bug. The request may have been carried out: nobody
 * knows what a failed sync has stored.
 */
export function orFailed(error: unknown, { broker }: Pick<Services, "broker">): unknown {
  if (error === undefined || broker.failed === undefined || !isUnexpected(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new EvsError(
    { code: "daemon/failed", status: 500, exit: ExitCode.CannotStore },
    `the daemon cannot rely on its disk any more, and ends: ${why}`,
    { hint: "evs daemon logs says what failed; evs daemon start", cause: error },
  );
}
