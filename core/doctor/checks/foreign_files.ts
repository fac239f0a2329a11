/**
 * Files in the data dir that are not ours. The file store's own folder is covered by the check of
 * its events.
 */
import type { Check, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";

/**
 * Our files, including those that SQLite creates beside a database and those that a start creates
 * temporarily.
 */
const OURS = [
  /^(?:events|state)\.db(?:-wal|-shm|-journal|\.[a-z]+(?:-wal|-shm|-journal)?)?$/,
  /^(?:events|history|log|quarantine|spool|(?:database|watermarks)(?:\.new)?)$/,
  /^reserve(?:\.probe)?$/,
  /^evs\.sock(?:\.lock)?$/,
  /^daemon\.json(?:\.new)?$/,
];
const LOG = /^daemon\.log(?:\.(?:\d+|new))?$/;

export const foreignFiles: Check = {
  name: "foreign-files",
  *look({ dataDir, socket }): Generator<Finding> {
    const isOurs = (name: string) =>
      OURS.some((pattern) => pattern.test(name)) ||
      [socket, `${socket}.lock`].includes(`${dataDir}/${name}`);
    for (const { name } of Deno.readDirSync(dataDir)) if (!isOurs(name)) yield foreign(name);
    if (!exists(`${dataDir}/log`) || !Deno.lstatSync(`${dataDir}/log`).isDirectory) return;
    for (const { name } of Deno.readDirSync(`${dataDir}/log`)) {
      if (!LOG.test(name)) yield foreign(`log/${name}`);
    }
  },
};

function foreign(where: string): Finding {
  return {
    level: "warning",
    where,
    what: "it is not ours; it is left alone, and no backup holds it",
    hint: "look at what it is, and move it out of the data dir",
  };
}
