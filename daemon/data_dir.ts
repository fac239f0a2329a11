/**
 * The data dir: created with mode 0700, and refused if somebody else could have tampered with it
 * (contract row 21).
 */
import { DataDirError } from "../core/base/errors.ts";
import { WATERMARKS_FILE } from "../core/data_dir/watermarks.ts";
import { lstat } from "../core/base/if_there.ts";
import { SPOOL_FOLDER } from "../core/spool/spool_folder.ts";
import { asOpenError } from "../core/store/file/faults.ts";

/** Where the files of a data dir are. */
export interface DataDir {
  path: string;
  events: string;
  /** Of the file store. */
  eventFolder: string;
  state: string;
  logFolder: string;
  /** The space kept in reserve. */
  reserve: string;
  /** Numbers of the last 72 hours. */
  history: string;
}

const OTHERS_WRITE = 0o022;
const OTHERS = 0o077;

let user: number | null | undefined;
/** The user id of this process, asked once. */
function ownUser(): number | null {
  return user ??= Deno.uid();
}

/**
 * Creates the data dir if it does not exist, and checks it. Its contents are checked once it is
 * locked ({@link prepareFiles}).
 */
export function prepareDataDir(path: string): void {
  if (!lstat(path)) makeFolder(path);
  tighten(path, assertOurs(path, "folder"), 0o700);
}

/** The paths of the data dir at `path`. */
export function dataDirAt(path: string): DataDir {
  return {
    path,
    events: `${path}/events.db`,
    eventFolder: `${path}/events`,
    state: `${path}/state.db`,
    logFolder: `${path}/log`,
    reserve: `${path}/reserve`,
    history: `${path}/history`,
  };
}

/**
 * Creates the log folder, and checks all our files in a data dir except those of the file store
 * ({@link prepareEventFolder}). Call it while holding the lock.
 */
export function prepareFiles(dir: DataDir): void {
  if (!lstat(dir.logFolder)) makeFolder(dir.logFolder);
  assertOurs(dir.logFolder, "folder");
  for (const { name } of Deno.readDirSync(dir.logFolder)) {
    if (!name.startsWith("daemon.log")) continue;
    const file = `${dir.logFolder}/${name}`;
    tighten(file, assertOurs(file, "file"), 0o600);
  }
  for (const file of [dir.events, dir.state]) {
    for (const suffix of ["-wal", "-shm", "-journal"]) {
      if (lstat(file + suffix)) assertOurs(file + suffix, "file");
    }
    if (lstat(file)) tighten(file, assertOurs(file, "file"), 0o600);
  }
  for (const file of [dir.reserve, dir.history]) {
    if (lstat(file)) tighten(file, assertOurs(file, "file"), 0o600);
  }
  const spool = `${dir.path}/${SPOOL_FOLDER}`;
  if (lstat(spool)) tighten(spool, assertOurs(spool, "folder"), 0o700);
  const quarantine = `${dir.path}/quarantine`;
  if (lstat(quarantine)) assertOurs(quarantine, "folder");
  for (const file of [`${quarantine}/index.ndjson`, `${dir.path}/${WATERMARKS_FILE}`]) {
    if (lstat(file)) assertOurs(file, "file");
  }
}

/**
 * Checks the folder of the file store, if it exists, and each topic's folder. With ten thousand
 * topics that takes a while, so the thread that opens the store does it while the main thread reads
 * the state.
 */
export function prepareEventFolder(path: string): void {
  const folders = lstat(path) ? [path, ...foldersIn(path)] : [];
  for (const folder of folders) tighten(folder, assertOurs(folder, "folder"), 0o700);
}

/**
 * SQLite gives its side files the mode of the database, so creating it here makes them 0600
 * whatever the umask.
 */
export function makeDatabaseFile(path: string): void {
  if (lstat(path)) return;
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
    Deno.chmodSync(path, 0o600);
  } catch (error) {
    // A topic's own store may be made while the disk is full.
    throw asOpenError(error, path);
  }
}

function foldersIn(path: string): string[] {
  if (!lstat(path)?.isDirectory) return [];
  return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory).map(({ name }) =>
    `${path}/${name}`
  );
}

/** Creates a folder for the owner alone. `mkdir` alone would be subject to the umask. */
function makeFolder(path: string): void {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  Deno.chmodSync(path, 0o700);
}

/** Refuses a file or folder that somebody else could have tampered with; returns its stat. */
function assertOurs(path: string, kind: "folder" | "file"): Deno.FileInfo {
  const info = lstat(path)!;
  const fault = info.isSymlink
    ? "is a symbolic link"
    : (kind === "folder" ? !info.isDirectory : !info.isFile)
    ? `is not a ${kind}`
    : info.uid !== null && info.uid !== ownUser()
    ? `belongs to the user ${info.uid}, not to ${ownUser()}`
    : ((info.mode ?? 0) & OTHERS_WRITE) !== 0
    ? `can be written by others (mode ${((info.mode ?? 0) & 0o777).toString(8)})`
    : kind === "file" && (info.nlink ?? 1) > 1
    ? "has a second name (a hard link)"
    : undefined;
  if (fault === undefined) return info;
  throw new DataDirError("datadir/unsafe", `${path} ${fault}; nothing in it was touched`, {
    hint: fault.startsWith("can be written")
      ? `look at what is in it, then: chmod go-w ${path}`
      : "choose a data dir of your own with EVS_DATA_DIR",
  });
}

/** Removes read access of others: a leftover of an older umask, not an attack. */
function tighten(path: string, info: Deno.FileInfo, mode: number): void {
  if (((info.mode ?? 0) & OTHERS) !== 0) Deno.chmodSync(path, mode);
}
