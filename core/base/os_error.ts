/**
 * What the operating system refused (a folder that is not there, a file in the place of a folder, a
 * full disk, a lack of rights) is no bug of ours: it is told in its own words, with what was asked
 * of it, and without a stack.
 */
import { EvsError, ExitCode } from "./errors.ts";

/** "No such file or directory (os error 2): mkdir '/x/y'", as the runtime writes it. */
const SAID = /^(.*?) \(os error \d+\)(?:: ([^]*))?$/;

/** The error in words, or undefined where it is not the operating system's. */
export function osError(error: unknown): EvsError | undefined {
  const said = error instanceof Error ? SAID.exec(error.message) : null;
  if (said === null) return undefined;
  const [, , asked] = said;
  return new EvsError(
    { code: "system/refused", status: 500, exit: ExitCode.CannotStore },
    `${asked === undefined ? "" : `${asked}: `}${osReason(error)}`,
    { cause: error },
  );
}

/** Only the system's words: "no such file or directory". */
export function osReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const words = SAID.exec(message)?.[1] ?? message;
  return words.charAt(0).toLowerCase() + words.slice(1);
}
