/**
 * `evs restore`: a data dir out of a backup. Everything is unpacked beside the data dir and held against its checksums
 * first; only then it takes the place, and what was there before is kept beside it.
 */
import { ConflictError, DataDirError } from "../base/errors.ts";
import { writeWatermarks } from "../data_dir/watermarks.ts";
import { type BackedUpFile, MANIFEST, type Manifest, parseManifest, Sha256 } from "./manifest.ts";
import { readTar, type TarEntry, writeAll } from "./tar.ts";

/** More than a manifest of a million files has, bytes. */
const LONGEST_MANIFEST = 256 * 1024 * 1024;

/** What to restore, and where to. */
export interface RestoreOptions {
  file: string;
  dataDir: string;
  /** Take the place of a data dir that is not empty. */
  force: boolean;
  /** Unix ms. */
  now: number;
}

/** What was done. */
export interface Restored {
  manifest: Manifest;
  /** Where the data dir of before is kept. */
  keptAt?: string;
}

/** Restores; see the head of this file. Throws, and changes nothing, where a daemon runs or the backup is not whole. */
export function restoreBackup({ file, dataDir, force, now }: RestoreOptions): Restored {
  const lock = lockIfThere(dataDir);
  try {
    const taken = lock !== undefined && [...Deno.readDirSync(dataDir)].length > 0;
    if (taken && !force) {
      throw new ConflictError(`the data dir ${dataDir} is not empty; it was left as it is`, {
        code: "datadir/not-empty",
        hint:
          `evs restore ${file} --force takes its place and keeps it beside; EVS_DATA_DIR chooses another`,
      });
    }
    const stamp = new Date(now).toISOString().replaceAll(/[-:.]/g, "");
    const staging = `${dataDir}.restoring-${stamp}`;
    // Made anew: what somebody else put at this place beforehand would be theirs.
    Deno.mkdirSync(dataDir.slice(0, dataDir.lastIndexOf("/")) || "/", {
      recursive: true,
      mode: 0o700,
    });
    Deno.mkdirSync(staging, { mode: 0o700 });
    try {
      const manifest = unpack(file, staging);
      writeWatermarks(staging, { phase: "restored", generation: 0, files: [], ends: new Map() });
      const keptAt = `${dataDir}.before-restore-${stamp}`;
      if (taken) Deno.renameSync(dataDir, keptAt);
      else if (lock) Deno.removeSync(dataDir);
      Deno.renameSync(staging, dataDir);
      syncFolder(dataDir.slice(0, dataDir.lastIndexOf("/")) || "/");
      return { manifest, ...(taken ? { keptAt } : {}) };
    } catch (error) {
      if (exists(staging)) Deno.removeSync(staging, { recursive: true });
      throw error;
    }
  } finally {
    lock?.close();
  }
}

/** The data dir, locked as a daemon locks it; undefined when there is none. */
function lockIfThere(dataDir: string): Deno.FsFile | undefined {
  if (!exists(dataDir)) return undefined;
  const file = Deno.openSync(dataDir, { read: true });
  if (file.tryLockSync(true)) return file;
  file.close();
  throw new DataDirError("datadir/locked", `a daemon uses the data dir ${dataDir}`, {
    hint: "evs daemon stop, then restore again",
  });
}

function unpack(file: string, staging: string): Manifest {
  const archive = openArchive(file);
  try {
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
  } finally {
    archive.close();
  }
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
  if (sum.get() !== sha256) throw notWhole(`${path} does not fit its checksum`);
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

function syncFolder(path: string): void {
  const folder = Deno.openSync(path, { read: true });
  try {
    folder.syncSync();
  } finally {
    folder.close();
  }
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
