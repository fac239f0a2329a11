/** Maps operating system errors to errors of this library. */
import { CannotStoreError } from "../../base/errors.ts";

/**
 * Linux errno values (errno(3)): no space, quota exceeded, too many open files in the process or
 * system-wide.
 */
const NO_SPACE = ["ENOSPC", "EDQUOT"];
const NO_FILES = ["EMFILE", "ENFILE"];

/** The file would exceed the process's file size limit. */
const TOO_LARGE = /\(os error 27\)/; // EFBIG: the runtime gives it no error code

/**
 * Returns a `CannotStoreError` if the append may succeed later: nothing of it was stored. Any other
 * error is returned unchanged, and the store is no longer trusted after it.
 */
export function asFileStoreError(error: unknown): unknown {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (NO_SPACE.includes(code as string)) {
    return new CannotStoreError(
      "the disk is full: nothing of this was stored, what was acknowledged is safe",
      {
        code: "store/disk-full",
        cause: error,
        hint: "make room; publishing works again by itself",
      },
    );
  }
  if (error instanceof Error && TOO_LARGE.test(error.message)) {
    return new CannotStoreError(
      "a file may not grow any further (ulimit -f): nothing of this was stored",
      {
        code: "store/file-size-limit",
        cause: error,
        hint: "start the daemon without a limit on the size of files (ulimit -f unlimited)",
      },
    );
  }
  if (NO_FILES.includes(code as string)) {
    return new CannotStoreError("no more files can be opened: nothing of this was stored", {
      code: "store/busy",
      cause: error,
      hint: "raise the limit of open files (ulimit -n), then publish again",
    });
  }
  return error;
}

/** The same for opening a store, which creates it first and repairs what a crash left. */
export function asOpenError(error: unknown, dir: string): unknown {
  const known = asFileStoreError(error);
  if (!(known instanceof CannotStoreError)) return error;
  const [what, hint] = known.code === "store/disk-full"
    ? ["the disk is full", "make room, then open it again"]
    : ["no more files can be opened", "raise the limit of open files (ulimit -n)"];
  return new CannotStoreError(
    `${what}, and the store in ${dir} cannot be opened; nothing in it is lost`,
    { code: known.code, cause: error, hint },
  );
}
