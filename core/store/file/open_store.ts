/** Opens a store's folder: locks it, refuses a newer format, finds the topics. */
import { DataDirError } from "../../base/errors.ts";
import type { Found } from "../damage.ts";
import { type Disk, readWhole, removeIfThere, replaceFile } from "./disk.ts";
import {
  ACCEPTED_FILE,
  BATCH_FILE,
  CHECKPOINT_FILE,
  FILE_STORE_FORMAT,
  folderTopic,
  FORMAT_FILE,
  SKEW_FILE,
  topicFolder,
  UNFINISHED,
} from "./layout.ts";
import { Checkpoint } from "./checkpoint.ts";
import { asOpenError } from "./faults.ts";
import { type OpenedTopic, openTopic } from "./open_topic.ts";
import { ViewTable } from "./view_table.ts";

/** A store after opening. */
export interface OpenedStore {
  lock: { close(): void };
  checkpoint: Checkpoint;
  /** Topics that were read from disk. */
  topics: OpenedTopic[];
  /** Topics that were taken from the checkpoint. */
  known: ViewTable;
  /** Messages about repairs and damage. */
  notes: string[];
  /** Events that were found to be missing. */
  lost: Found[];
  /** Paths in the folder that are not ours; they are left alone. */
  foreign: string[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** The content of the `format` file. */
const MARK = /^env-event-stream file store, format (\d+)\n/;
/** Where its number stands. */
const NUMBER_AT = "env-event-stream file store, format ".length;

/** So much of the mark may be damaged: no other program writes what is as near to it as that. */
const MOST_DAMAGED = 0.1;

/** How a store is opened. */
export interface OpenOptions {
  /** Unix ms. */
  now: number;
  /**
   * Above this number of topics, those in the checkpoint are not read until they are first written
   * to.
   */
  lookAtMost: number;
}

/**
 * Opens the store and creates it if needed. Throws `DataDirError` without having touched anything,
 * or `CannotStoreError` if there is no space to repair what a crash left: free some and open it
 * again.
 */
export function openStore(disk: Disk, dir: string, options: OpenOptions): OpenedStore {
  try {
    makeFolders(disk, dir);
  } catch (error) {
    throw asOpenError(error, dir);
  }
  const lock = disk.lock(dir);
  if (!lock) {
    throw new DataDirError("datadir/locked", `another store uses the folder ${dir}`, {
      hint: "close it, or end the program that has it; or choose another folder",
    });
  }
  try {
    return { lock, ...openLocked(disk, dir, options) };
  } catch (error) {
    lock.close();
    throw asOpenError(error, dir);
  }
}

function openLocked(
  disk: Disk,
  dir: string,
  { now, lookAtMost }: OpenOptions,
): Omit<OpenedStore, "lock"> {
  const mark = readFormat(disk, dir);
  const { topics: folders, foreign } = listStore(disk, dir);
  const few = folders.length <= lookAtMost;
  // A checkpoint that is not read gets no strikes, so it would become wrong.
  if (few) removeIfThere(disk, `${dir}/${CHECKPOINT_FILE}`);
  disk.syncFolder(dir);
  const { checkpoint, views: known } = few
    ? { checkpoint: Checkpoint.empty(disk, dir), views: new ViewTable() }
    : Checkpoint.open(disk, dir);
  if (mark !== "whole") {
    if (folders.length > 0 && foreign.length > 0) refuseForeign(dir);
    replaceFile(disk, { folder: dir, name: FORMAT_FILE }, encoder.encode(formatText()));
  }
  const topics: OpenedTopic[] = [];
  const notes = mark === "damaged" ? [`${FORMAT_FILE}: was damaged, and was written anew`] : [];
  const lost: Found[] = [];
  for (const { name, folder } of folders) {
    if (known.has(name)) continue;
    const opened = openTopic(disk, { name, folder: `${dir}/${folder}` }, { now });
    topics.push(opened);
    notes.push(...opened.notes.map((note) => `topic ${name}: ${note}`));
    lost.push(...opened.lost);
    foreign.push(...opened.foreign.map((file) => `${folder}/${file}`));
  }
  // Somebody removed a topic's folder.
  if (known.size + topics.length > folders.length) {
    const there = new Set(folders.map(({ name }) => name));
    for (const name of [...known.names()]) {
      if (there.has(name)) continue;
      const { firstSeq, lastSeq } = known.head(name)!;
      known.delete(name);
      checkpoint.strike(name);
      // Its seqs are not assigned again.
      const view = { name, firstSeq: lastSeq + 1, lastSeq, bytes: 0, segments: [] };
      topics.push({ view, open: undefined, orphans: [], notes: [], lost: [], foreign: [] });
      if (lastSeq < firstSeq) continue;
      const what = `gone: its folder ${topicFolder(name)} was removed`;
      lost.push({ topic: name, firstSeq, lastSeq, what, lost: true });
    }
    checkpoint.syncNow();
  }
  for (const name of OWN_FILES) {
    removeIfThere(disk, `${dir}/${name}${UNFINISHED}`);
  }
  return { checkpoint, topics, known, notes, lost, foreign };
}

function formatText(format = FILE_STORE_FORMAT): string {
  return `env-event-stream file store, format ${format}\n` +
    "Events lie in NAME/*.ndjson, one a line: jq -c .payload NAME/*.ndjson\n";
}

/**
 * Whether the folder is marked as a store: a mark that is damaged is ours all the same. Throws if a
 * newer version marked it, or somebody else did.
 */
export function readFormat(disk: Disk, dir: string): "whole" | "damaged" | "none" {
  const bytes = readWhole(disk, `${dir}/${FORMAT_FILE}`);
  if (!bytes) return "none";
  const format = Number(MARK.exec(decoder.decode(bytes))?.[1]);
  if (!(format > FILE_STORE_FORMAT) && isNearlyMark(bytes, format)) return "damaged";
  if (format <= FILE_STORE_FORMAT) return "whole";
  if (Number.isNaN(format)) refuseForeign(dir);
  throw new DataDirError(
    "datadir/newer-format",
    `${dir} has format ${format}, and this version reads up to ${FILE_STORE_FORMAT}; it was left untouched`,
    {
      hint: "use the newer version of evs that wrote it",
      details: { format, supported: FILE_STORE_FORMAT },
    },
  );
}

/**
 * True if a few bytes are not as we write them: flipped bits make no other file out of it. What an
 * earlier version wrote is as it should be.
 */
function isNearlyMark(bytes: Uint8Array, format: number): boolean {
  const mark = encoder.encode(formatText(format >= 1 ? format : FILE_STORE_FORMAT));
  if (bytes.length !== mark.length) return false;
  // The mark of a newer version may be damaged, too.
  if (Number(String.fromCharCode(bytes[NUMBER_AT]!)) > FILE_STORE_FORMAT) return false;
  const differences = mark.filter((byte, i) => byte !== bytes[i]).length;
  return differences > 0 && differences <= mark.length * MOST_DAMAGED;
}

function refuseForeign(dir: string): never {
  throw new DataDirError(
    "datadir/unsafe",
    `${dir} is a folder of something else; it was left untouched`,
    { hint: "choose another folder for the events" },
  );
}

/** The topics' folders, and what is not ours. */
export function listStore(
  disk: Disk,
  dir: string,
): { topics: { name: string; folder: string }[]; foreign: string[] } {
  const topics: { name: string; folder: string }[] = [];
  const foreign: string[] = [];
  for (const { name, kind } of disk.list(dir)) {
    const topic = kind === "folder" ? folderTopic(name) : undefined;
    if (topic !== undefined) topics.push({ name: topic, folder: name });
    else if (!isOwnFile(name, kind)) foreign.push(name);
  }
  return { topics, foreign };
}

const OWN_FILES = [FORMAT_FILE, CHECKPOINT_FILE, ACCEPTED_FILE, SKEW_FILE, BATCH_FILE];

function isOwnFile(name: string, kind: string): boolean {
  return kind === "file" &&
    OWN_FILES.some((own) => name === own || name === own + UNFINISHED);
}

/** Creates the folder and its parents, durably. */
function makeFolders(disk: Disk, dir: string): void {
  const slash = dir.lastIndexOf("/");
  const above = slash < 0 ? "." : dir.slice(0, Math.max(1, slash));
  const make = () => disk.makeFolder(dir) && disk.syncFolder(above);
  try {
    make();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || above === dir) throw error;
    makeFolders(disk, above);
    make();
  }
}
