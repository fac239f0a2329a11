/** Errors as the runtime makes them of the kernel's. */

type Kind = "NotFound" | "AlreadyExists" | "NotADirectory" | "IsADirectory" | "BadResource";

const WORDS: Record<Kind, string> = {
  NotFound: "No such file or directory (os error 2)",
  AlreadyExists: "File exists (os error 17)",
  NotADirectory: "Not a directory (os error 20)",
  IsADirectory: "Is a directory (os error 21)",
  BadResource: "Bad resource ID",
};

/** An error with a class of its own. */
export function osError(kind: Kind, doing: string): Error {
  const { [kind]: Kind } = Deno.errors;
  return new Kind(`${WORDS[kind]}: ${doing}`);
}

/** One that has only a code. */
export function codeError(code: "EIO" | "ENOSPC" | "ENOTEMPTY", doing: string): Error {
  const words = {
    EIO: "Input/output error (os error 5)",
    ENOSPC: "No space left on device (os error 28)",
    ENOTEMPTY: "Directory not empty (os error 39)",
  }[code];
  return Object.assign(new Error(`${words}: ${doing}`), { code });
}
