/**
 * `evs backup`: one file with everything in a data dir, whether its daemon is running or stopped.
 *
 * The state database is copied before the events, so that no cursor, retry or dead letter in the
 * backup refers to an event missing from it. Databases are copied with SQLite's online backup (one
 * snapshot each). Of the file store, append-only files are copied in the order in which a reader
 * relies on them. The copy is verified before it becomes the backup.
 */
import { exists, lstat } from "../base/if_there.ts";
import { CannotStoreError, ConflictError, DataDirError, InternalError } from "../base/errors.ts";
import { osReason } from "../base/os_error.ts";
import { readDatabaseMark } from "../data_dir/database_mark.ts";
import { settleRestore, syncFolder } from "../data_dir/cut_restore.ts";
import { makeStaging, removeLeftBehind, type Staging } from "../data_dir/staging.ts";
import { folderOf } from "../protocol/paths.ts";
import { listSpool, REFUSED_FOLDER, SPOOL_FOLDER } from "../spool/spool_folder.ts";
import { verifyStateDatabase } from "../state/verify.ts";
import { copyDatabase } from "../store/sqlite/copy_database.ts";
import { systemDisk } from "../store/file/disk.ts";
import {
  ACCEPTED_FILE,
  BATCH_FILE,
  COUNTS_FILE,
  REPLACING,
  SKEW_FILE,
} from "../store/file/layout.ts";
import { settleReplacements } from "../store/file/redact_segment.ts";
import { verifyFileStore } from "../store/file/verify.ts";
import { verifyEventDatabase } from "../store/sqlite/verify.ts";
import { VERSION } from "../base/version.ts";
import { type BackedUpFile, BACKUP_FORMAT, MANIFEST, type Manifest, sha256Of } from "./manifest.ts";
import { type ByteSink, TarWriter } from "./tar.ts";

/** What to back up, and where to write it. */
export interface BackupOptions {
  dataDir: string;
  /** The file to create; or where to write the archive, and a folder for its temporary files. */
  file: string | { out: ByteSink; folder: string };
  /** Replace an existing file. */
  force: boolean;
  /** Unix ms. */
  now: number;
  /**
   * Copies what is to be backed up into a folder and returns the paths in it; absent: the files of
   * the data dir.
   */
  copy?: (staging: string) => Promise<string[]>;
}

/** The copy of a file store that is being written to may have to be repeated. */
const TRIES = 3;

/**
 * Makes a backup and returns its manifest. A full disk is reported as such, and a failed backup
 * leaves nothing behind.
 */
export async function makeBackup(options: BackupOptions): Promise<Manifest> {
  const { dataDir, file, force } = options;
  settleRestore(dataDir);
  if (typeof file === "string" && !force && exists(file)) {
    throw new ConflictError(`${file} already exists; it was left unchanged`, {
      code: "backup/exists",
      hint: "choose another name, or replace it with --force",
    });
  }
  const name = typeof file === "string" ? file : `${file.folder}/evs-backup`;
  removeLeftBehind(name.includes("/") ? folderOf(name) : ".");
  try {
    using staging = stagingFor(name);
    return await backUp(staging.path, options);
  } catch (error) {
    throw asBackupError(error, typeof file === "string" ? file : file.folder);
  }
}

async function backUp(
  staging: string,
  { dataDir, file, now, copy = (staging) => copyAll(dataDir, staging) }: BackupOptions,
): Promise<Manifest> {
  const paths = await copy(staging);
  if (paths.length === 0) {
    throw new DataDirError("datadir/missing", `there is nothing to back up in ${dataDir}`, {
      hint: "EVS_DATA_DIR names another data dir",
    });
  }
  const files = paths.map((path): BackedUpFile => ({
    path,
    size: Deno.statSync(`${staging}/${path}`).size,
    sha256: sha256Of(`${staging}/${path}`),
  }));
  const manifest: Manifest = {
    format: BACKUP_FORMAT,
    version: VERSION,
    createdAt: now,
    ...lookThrough(staging, now),
    files,
  };
  if (typeof file === "string") {
    using out = Deno.openSync(`${staging}/archive`, { write: true, createNew: true, mode: 0o600 });
    writeArchive(out, staging, manifest);
    out.syncSync();
    Deno.renameSync(`${staging}/archive`, file);
    syncName(file);
  } else writeArchive(file.out, staging, manifest);
  return manifest;
}

/** Where the events are in a database, the files are not what has to be backed up. */
function refuseDatabase(dataDir: string): void {
  const database = readDatabaseMark(dataDir);
  if (database === undefined) return;
  throw new InternalError(`everything of ${dataDir} is in the database ${database}`);
}

/** What file systems without such a sync answer, and folders that may be written and not read. */
const CANNOT_SYNC: readonly unknown[] = ["EINVAL", "ENOTSUP", "EACCES"];

/**
 * Returns once the name of a file would survive a power cut. A backup may lie where that cannot be
 * promised: on a stick, on another machine.
 */
function syncName(file: string): void {
  try {
    syncFolder(file.includes("/") ? folderOf(file) : ".");
  } catch (error) {
    if (!CANNOT_SYNC.includes((error as { code?: unknown }).code)) throw error;
  }
}

/** The codes for a full disk, from the system and from us. */
const NO_SPACE: readonly unknown[] = ["ENOSPC", "EDQUOT", "store/disk-full"];

function asBackupError(error: unknown, place: string): unknown {
  if (!NO_SPACE.includes((error as { code?: unknown }).code)) return error;
  return new CannotStoreError(`no backup was made: the disk of ${place} is full`, {
    code: "store/disk-full",
    cause: error,
    hint:
      "it needs room for two copies of what is stored; evs backup - writes the backup to standard output",
  });
}

async function copyAll(dataDir: string, staging: string): Promise<string[]> {
  refuseDatabase(dataDir);
  const paths: string[] = [];
  const copy = async (name: string) => {
    if (!exists(`${dataDir}/${name}`) || Deno.statSync(`${dataDir}/${name}`).size === 0) return;
    await copyDatabase(`${dataDir}/${name}`, `${staging}/${name}`);
    paths.push(name);
  };
  await copy("state.db");
  // Before the events: what is taken in meanwhile is then in both, and known by its ids. After the
  // state: of a redaction that is finished there, nothing is left here.
  paths.push(...copySpool(dataDir, staging));
  await copy("events.db");
  if (exists(`${dataDir}/events`)) paths.push(...copyFileStore(dataDir, staging));
  return paths;
}

/** What waits, and what was refused. */
export function copySpool(dataDir: string, staging: string): string[] {
  return [SPOOL_FOLDER, `${SPOOL_FOLDER}/${REFUSED_FOLDER}`].flatMap((folder) =>
    listSpool(`${dataDir}/${folder}`).map(({ name }) => `${folder}/${name}`)
  ).filter((path) => copyIfThere(`${dataDir}/${path}`, `${staging}/${path}`));
}

function copyFileStore(dataDir: string, staging: string): string[] {
  for (let left = TRIES - 1;; left--) {
    const paths = [...fileStorePaths(`${dataDir}/events`)].map((path) => `events/${path}`);
    const found = paths.filter((path) => copyIfThere(`${dataDir}/${path}`, `${staging}/${path}`));
    const copied = settled(staging, found);
    if (left === 0 || !copied.includes("events/format")) return copied;
    // A segment may have been finished between two copies; the second time it no longer changes.
    const before = lostIn(`${dataDir}/events`);
    if (lostIn(`${staging}/events`) <= before) return copied;
    Deno.removeSync(`${staging}/events`, { recursive: true });
  }
}

/** A redaction that a crash cut short counts, or does not, as at a start. */
function settled(staging: string, paths: readonly string[]): string[] {
  const folders = new Set(paths.filter((path) => path.endsWith(REPLACING)).map(folderOf));
  for (const folder of folders) settleReplacements(systemDisk, `${staging}/${folder}`);
  return paths.filter((path) => exists(`${staging}/${path}`));
}

function lostIn(folder: string): number {
  return verifyFileStore(folder).topics.reduce((sum, { damage }) => sum + damage.length, 0);
}

/**
 * Our files in the folder of a file store. Checksums come before the lines they cover, so that the
 * copy can only have more lines than checksums.
 */
function* fileStorePaths(folder: string): Generator<string> {
  yield "format";
  yield ACCEPTED_FILE;
  yield SKEW_FILE;
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (!isDirectory) continue;
    yield `${name}/head`;
    const files = [...Deno.readDirSync(`${folder}/${name}`)].map((entry) => entry.name).sort();
    const replacing = [`.index${REPLACING}`, `.ndjson${REPLACING}`];
    for (const ending of [".lookup", ".index", ".ndjson", ...replacing]) {
      for (const file of files) if (file.endsWith(ending)) yield `${name}/${file}`;
    }
    // After the lines: it knows of all that were deleted meanwhile.
    yield `${name}/${COUNTS_FILE}`;
  }
  // After the topics: what it adds to them at a start was not in them before.
  if ((lstat(`${folder}/${BATCH_FILE}`)?.size ?? 0) > 0) yield BATCH_FILE;
}

/**
 * False if the file does not exist: a topic without a head, or a segment that retention deleted.
 */
function copyIfThere(from: string, to: string): boolean {
  Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  try {
    Deno.copyFileSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * The folder beside the backup. Errors name the requested file, because the user does not know
 * about this folder.
 */
function stagingFor(file: string): Staging {
  try {
    return makeStaging(file);
  } catch (cause) {
    if (NO_SPACE.includes((cause as { code?: unknown }).code)) throw cause;
    const { NotFound, NotADirectory, PermissionDenied } = Deno.errors;
    const wrongPlace = [NotFound, NotADirectory, PermissionDenied].some((kind) =>
      cause instanceof kind
    );
    throw new CannotStoreError(`cannot write ${file}: ${osReason(cause)}`, {
      code: "system/refused",
      ...(wrongPlace ? { hint: "choose an existing folder that you can write to" } : {}),
      cause,
    });
  }
}

/**
 * Counts what the copy holds. Throws if it cannot be read, because such a backup would be
 * worthless.
 */
function lookThrough(staging: string, now: number): { topics: number; events: number } {
  let [topics, events] = [0, 0];
  const refuse = (what: string) => {
    throw new DataDirError("datadir/damaged", `no backup was made: ${what}`, {
      hint: "evs doctor says what is wrong",
    });
  };
  if (exists(`${staging}/state.db`)) {
    for (const fault of verifyStateDatabase(`${staging}/state.db`).faults) {
      refuse(`state.db: ${fault}`);
    }
  }
  if (exists(`${staging}/events.db`)) {
    const verdict = verifyEventDatabase(`${staging}/events.db`, { quick: true });
    for (const fault of verdict.faults) refuse(`events.db: ${fault}`);
    for (const { intact } of verdict.topics) {
      topics++;
      events += intact;
    }
  }
  if (exists(`${staging}/events/format`)) {
    for (const topic of verifyFileStore(`${staging}/events`, { now }).topics) {
      topics++;
      events += topic.intact;
    }
  }
  return { topics, events };
}

function writeArchive(out: ByteSink, staging: string, manifest: Manifest): void {
  const tar = new TarWriter(out, { modifiedAt: manifest.createdAt });
  tar.addBytes(MANIFEST, new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`));
  for (const file of manifest.files) tar.addFile(file.path, `${staging}/${file.path}`);
  tar.finish();
}
