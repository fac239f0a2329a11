/**
 * Who else can read, modify or replace our files (contract row 21). In the worst cases a daemon
 * refuses to start.
 */
import type { Check, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";

const PERMISSIONS = 0o777;
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const SIDE_FILES = ["", "-wal", "-shm", "-journal"];

export const modes: Check = {
  name: "modes",
  *look({ dataDir, socket, status }): Generator<Finding> {
    const uid = Deno.uid();
    yield* look(dataDir, { where: dataDir, folder: true, uid });
    for (const folder of ["log", "events", "quarantine", "spool"]) {
      yield* look(`${dataDir}/${folder}`, { where: folder, folder: true, uid });
    }
    for (const database of ["events.db", "state.db"]) {
      for (const suffix of SIDE_FILES) {
        const where = `${database}${suffix}`;
        yield* look(`${dataDir}/${where}`, { where, folder: false, uid });
      }
    }
    yield* look(`${dataDir}/history`, { where: "history", folder: false, uid });
    for (const folder of ["log", "events"]) {
      const path = `${dataDir}/${folder}`;
      if (!exists(path) || !Deno.lstatSync(path).isDirectory) continue;
      for (const { name, isDirectory } of Deno.readDirSync(path)) {
        if (folder === "log" && !name.startsWith("daemon.log")) continue; // not ours: foreign_files.ts
        const where = `${folder}/${name}`;
        yield* look(`${dataDir}/${where}`, { where, folder: isDirectory, uid });
      }
    }
    if (status) yield* look(socket, { where: socket, folder: false, uid });
  },
};

function* look(
  path: string,
  { where, folder, uid }: { where: string; folder: boolean; uid: number | null },
): Generator<Finding> {
  if (!exists(path)) return;
  const info = Deno.lstatSync(path);
  const mode = (info.mode ?? 0) & PERMISSIONS;
  const refused = info.isSymlink
    ? "it is a symbolic link"
    : info.uid !== null && info.uid !== uid
    ? `it belongs to the user ${info.uid}, not to ${uid}`
    : (mode & OTHERS_WRITE) !== 0
    ? `others can write to it (mode ${mode.toString(8)})`
    : !folder && (info.nlink ?? 1) > 1
    ? "it has a second name (a hard link)"
    : undefined;
  if (refused !== undefined) {
    const writable = /write/.test(refused);
    yield {
      level: "warning",
      where,
      what: `${refused}: a daemon refuses to start on it; nothing of it was touched`,
      hint: writable
        ? `look at what is in it, then: chmod go-rwx ${path}`
        : "put what is yours in its place, or choose another data dir with EVS_DATA_DIR",
    };
  } else if ((mode & OTHERS) !== 0) {
    yield {
      level: "warning",
      where,
      what: `others can read it (mode ${mode.toString(8)}); nothing is changed by that`,
      hint: `chmod go-rwx ${path}`,
    };
  }
}
