/**
 * `evs restore`: creates a data dir from a backup. Everything is first unpacked beside the data dir
 * and verified against its checksums. Only then does it become the data dir; the previous one is
 * kept beside it.
 */
import { exists } from "../base/if_there.ts";
import { ConflictError, DataDirError } from "../base/errors.ts";
import { parentOf, restorePaths, settleRestore, syncFolder } from "../data_dir/cut_restore.ts";
import { writeWatermarks } from "../data_dir/watermarks.ts";
import { knownRedactions, redactRestored } from "./redact_restored.ts";
import { type BackedUpFile, MANIFEST, type Manifest, parseManifest, Sha256 } from "./manifest.ts";
import { type ArchiveSource, readTar, type TarEntry, writeAll } from "./tar.ts";

/** Larger than the manifest of a million files, bytes. */
const LONGEST_MANIFEST = 256 * 1024 * 1024;

/** What to restore, and where to. */
export interface RestoreOptions {
  /** The backup: a file, or a stream to read it from. */
  file: string | ArchiveSource;
  dataDir: string;
  /** Replace a data dir that is not empty. */
  force: boolean;
  /** Unix ms. */
  now: number;
}

/** The result of a restore. */
export interface Restored {
  manifest: Manifest;
  /** Where the previous data dir is kept. */
  keptAt?: string;
  /** How many events of the backup were redacted, because the previous data dir had redacted them. */
  redacted: number;
}

/**
 * Restores a backup. Throws, without changing anything, if a daemon is running or the backup is
 * incomplete.
 */
export async function restoreBackup(
  { file, dataDir, force, now }: RestoreOptions,
): Promise<Restored> {
  settleRestore(dataDir);
  const lock = lockIfThere(dataDir);
  try {
    const taken = lock !== undefined && [...Deno.readDirSync(dataDir)].length > 0;
    if (taken && !force) {
      throw new ConflictError(`the data dir ${dataDir} is not empty; it was left unchanged`, {
        code: "datadir/not-empty",
        hint: `evs restore ${
          typeof file === "string" ? file : "-"
        } --force takes its place and keeps it beside; EVS_DATA_DIR chooses another`,
      });
    }
    const { staging, keptAt } = restorePaths(dataDir, now);
    // Always created fresh: a folder that already exists here might belong to somebody else.
    Deno.mkdirSync(parentOf(dataDir), { recursive: true, mode: 0o700 });
    Deno.mkdirSync(staging, { mode: 0o700 });
    // Keeps a starting daemon from using or finishing it meanwhile.
    const stagingLock = Deno.openSync(staging, { read: true });
    try {
      stagingLock.tryLockSync(true);
      const manifest = unpackBackup(file, staging);
      const redacted = await redactRestored(staging, taken ? knownRedactions(dataDir) : []);
      syncFolders(staging);
      // A folder with this file is complete; the next start can finish it
      // (core/data_dir/cut_restore.ts).
      writeWatermarks(staging, { phase: "restored", generation: 0, files: [], ends: new Map() });
      syncFolder(parentOf(dataDir));
      takePlace(staging, dataDir, { keptAt, before: taken ? "kept" : lock ? "empty" : "none" });
      return { manifest, redacted, ...(taken ? { keptAt } : {}) };
    } catch (error) {
      if (exists(staging)) Deno.removeSync(staging, { recursive: true });
      throw error;
    } finally {
      stagingLock.close();
    }
  } finally {
    lock?.close();
  }
}

/** Does the two renames, and undoes the first if the second fails. */
function takePlace(
  staging: string,
  dataDir: string,
  { keptAt, before }: { keptAt: string; before: "kept" | "empty" | "none" },
): void {
  if (before === "kept") Deno.renameSync(dataDir, keptAt);
  else if (before === "empty") Deno.removeSync(dataDir);
  try {
    Deno.renameSync(staging, dataDir);
  } catch (error) {
    if (before === "kept") Deno.renameSync(keptAt, dataDir);
    throw error;
  }
  syncFolder(parentOf(dataDir));
}

/** Syncs a folder and its subfolders, so that their entries survive a power cut. */
function syncFolders(path: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    if (isDirectory) syncFolders(`${path}/${name}`);
  }
  syncFolder(path);
}

/** The data dir, locked the way a daemon locks it; undefined if there is none. */
function lockIfThere(dataDir: string): Deno.FsFile | undefined {
  if (!exists(dataDir)) return undefined;
  const file = Deno.openSync(dataDir, { read: true });
  if (file.tryLockSync(true)) return file;
  file.close();
  throw new DataDirError("datadir/locked", `a daemon uses the data dir ${dataDir}`, {
    hint: "evs daemon stop, then restore again",
  });
}

/**
 * Unpacks a backup into a folder, verifying every byte by the checksums of its manifest. Throws
 * `DataDirError` if it is not a whole one.
 */
export function unpackBackup(file: string | ArchiveSource, staging: string): Manifest {
  if (typeof file !== "string") return unpackFrom(file, staging);
  using archive = openArchive(file);
  return unpackFrom(archive, staging);
}

function unpackFrom(archive: ArchiveSource, staging: string): Manifest {
  let manifest: Manifest | undefined;
  let expected: BackedUpFile[] = [];
  for (const entry of readTar(archive)) {
    if (!manifest) {
      if (entry.name !== MANIFEST) throw notWhole(`it begins with ${JSON.stringify(entry.name)}`);
      manifest = parseManifest(textOf(entry));
      expected = [...manifest.files];
      continue;
    }
    const next = expected.shift();
    if (!next || next.path !== entry.name || next.size !== entry.size) {
      throw notWhole(`${JSON.stringify(entry.name)} is not what the manifest says`);
    }
    unpackFile(entry, next, staging);
  }
  if (!manifest || expected.length > 0) {
    throw notWhole(`${expected[0]?.path ?? "its manifest"} is missing`);
  }
  return manifest;
}

function openArchive(file: string): Deno.FsFile {
  try {
    return Deno.openSync(file, { read: true });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new DataDirError("datadir/missing", `there is no backup ${file}`, { cause });
  }
}

function unpackFile(entry: TarEntry, { path, sha256 }: BackedUpFile, staging: string): void {
  const to = `${staging}/${path}`;
  Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  const out = Deno.openSync(to, { write: true, createNew: true, mode: 0o600 });
  const sum = new Sha256();
  try {
    for (const piece of entry.content()) {
      sum.add(piece);
      writeAll(out, piece);
    }
    out.syncSync();
  } finally {
    out.close();
  }
  Deno.chmodSync(to, 0o600);
  if (sum.get() !== sha256) throw notWhole(`${path} does not match its checksum`);
}

function textOf(entry: TarEntry): string {
  if (entry.size > LONGEST_MANIFEST) throw notWhole("its manifest does not end");
  const decoder = new TextDecoder();
  let text = "";
  for (const piece of entry.content()) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}

function notWhole(why: string): DataDirError {
  return new DataDirError("datadir/damaged", `this is not a whole backup: ${why}`, {
    hint: "choose another backup; nothing was changed",
  });
}
