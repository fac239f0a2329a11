/**
 * Errors from the operating system (a missing folder, a file where a folder should be, a full disk,
 * missing permissions) are no bug of ours. They are reported in the system's own words, with the
 * operation that failed, and without a stack trace.
 */
import { EvsError, ExitCode } from "./errors.ts";
import { OS_ERROR, osReason } from "./thrown.ts";

export { osReason } from "./thrown.ts";

/** The error in plain words, or undefined if it is not the operating system's. */
export function osError(error: unknown): EvsError | undefined {
  const said = error instanceof Error ? OS_ERROR.exec(error.message) : null;
  if (said === null) return undefined;
  const [, , asked] = said;
  return new EvsError(
    { code: "system/refused", status: 500, exit: ExitCode.CannotStore },
    `${asked === undefined ? "" : `${asked}: `}${osReason(error)}`,
    { cause: error },
  );
}
