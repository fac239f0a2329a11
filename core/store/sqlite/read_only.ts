/** Opens a database for reading only, without creating files beside it. */
import { exists } from "../../base/if_there.ts";
import { DatabaseSync } from "node:sqlite";

/**
 * Opens the database at `path` read-only. A missing log is not created: the next start would take
 * it for the one that is missing. Without a log nobody is writing, so the file is read as
 * immutable.
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
