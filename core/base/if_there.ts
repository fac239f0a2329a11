/** Access to files that may not exist, without treating that as an error. */

/** Returns what `ask` returns, or undefined if the file does not exist. Rethrows other errors. */
export function ifThere<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The stat of a path, without following links; undefined if there is nothing. */
export function lstat(path: string): Deno.FileInfo | undefined {
  return ifThere(() => Deno.lstatSync(path));
}

/** True if something exists at the path, even a dangling link. */
export function exists(path: string): boolean {
  return lstat(path) !== undefined;
}
