/** Files that may not be there: asking for one that is not is no error. */

/**
 * What `ask` returns; undefined where the file that it asks for is not there. All other errors are
 * thrown.
 */
export function ifThere<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What is at a path, links not followed; undefined when nothing is. */
export function lstat(path: string): Deno.FileInfo | undefined {
  return ifThere(() => Deno.lstatSync(path));
}

/** True when there is something at the path, if only a link. */
export function exists(path: string): boolean {
  return lstat(path) !== undefined;
}
