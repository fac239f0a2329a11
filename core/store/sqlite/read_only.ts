/** Opens a database only to look at it: nothing is made beside it. */
import { DatabaseSync } from "node:sqlite";

/**
 * The database at `path`, read-only. A log that is not there is not made: whoever starts next would
 * take it for the one that is missing. Without a log nobody writes to the database, so it is read
 * as it is.
 */
export function openReadOnly(path: string): DatabaseSync {
  if (exists(`${path}-wal`)) return new DatabaseSync(path, { readOnly: true });
  const url = new URL("file:///");
  url.pathname = absolute(path).split("/").map(encodeURIComponent).join("/");
  url.search = "immutable=1";
  return new DatabaseSync(url, { readOnly: true });
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
