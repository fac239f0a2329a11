/** The error for requests that arrive, or end, while the daemon is stopping. */
import { CannotStoreError, type EvsError } from "../../core/base/errors.ts";

/** Nothing of the request was executed. */
export function drainingError(): EvsError {
  return new CannotStoreError("the daemon is stopping", {
    code: "daemon/stopping",
    hint: "evs daemon start, then send it again",
  });
}
