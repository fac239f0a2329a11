/**
 * Says in a data dir that its daemon keeps everything in a database: without it, a command that
 * looks at the files would find nothing and think that nothing is there.
 */
import { ifThere } from "../base/if_there.ts";

/** The file with the URL of the database, without a password. */
export const DATABASE_MARK = "database";

/** Longer than any URL, bytes. */
const LONGEST = 64 * 1024;

/** The URL of the database that a data dir belongs to; undefined if it belongs to none. */
export function readDatabaseMark(dataDir: string): string | undefined {
  const path = `${dataDir}/${DATABASE_MARK}`;
  const info = ifThere(() => Deno.lstatSync(path));
  if (!info?.isFile || info.size > LONGEST) return undefined;
  return Deno.readTextFileSync(path).trim();
}

/** Writes it down. */
export function writeDatabaseMark(dataDir: string, url: string): void {
  if (readDatabaseMark(dataDir) === url) return;
  const path = `${dataDir}/${DATABASE_MARK}`;
  Deno.writeTextFileSync(`${path}.new`, `${url}\n`, { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path);
}
