/**
 * The folder of the spool: what waits for a daemon, and below `refused` what one did not accept.
 *
 * A file is written under another name, synced, and renamed: under its own name it is whole. The
 * name has its number, its events and its bytes, so that the bounds need no look into files. Whoever
 * adds, moves or changes a file holds the lock on the folder. A new one gets the next number: the
 * numbers are the order.
 */
import type { Clock } from "../base/clock.ts";
import { CannotStoreError } from "../base/errors.ts";
import { ifThere, lstat } from "../base/if_there.ts";
import { osReason } from "../base/os_error.ts";
import { shellQuote } from "../base/shell_quote.ts";
import { attempt } from "../base/thrown.ts";
import type { SpoolFault } from "../protocol/status.ts";

/** The folder in a data dir, unless the config names another one. */
export const SPOOL_FOLDER = "spool";
/** Below it: what a daemon refused. */
export const REFUSED_FOLDER = "refused";

/** What a name says about its file. */
export interface SpoolEntry {
  name: string;
  number: number;
  events: number;
  bytes: number;
  /** Eight random hexadecimal digits: the id of the file. */
  tag: string;
}

const NAME = /^(\d{12,15})-(\d{1,9})-(\d{1,12})-([0-9a-f]{8})\.spool$/;
/** How long to wait for others who write, ms. */
const PATIENCE_MS = 30_000;
/** The highest number of a file: its name has room for no more. */
export const MOST_NUMBER = 999_999_999_999_999;
const UNFINISHED = /^\.new-[0-9a-f]{8}$/;

/** The name of a file. */
export function spoolName({ number, events, bytes, tag }: Omit<SpoolEntry, "name">): string {
  return `${String(number).padStart(12, "0")}-${events}-${bytes}-${tag}.spool`;
}

/** What a name says; undefined if it is not a file of ours. */
export function parseSpoolName(name: string): SpoolEntry | undefined {
  const [, number, events, bytes, tag = ""] = NAME.exec(name) ?? [];
  if (number === undefined) return undefined;
  return { name, number: Number(number), events: Number(events), bytes: Number(bytes), tag };
}

/** Eight random hexadecimal digits. */
export function newTag(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(4)),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** What is in a folder: whole files, in order, and what has the place of one and is none. */
export interface SpoolContent {
  entries: SpoolEntry[];
  faults: SpoolFault[];
}

/**
 * Looks into a folder; nothing is in it if there is no such folder. Never throws, because others may
 * write there: whatever is odd is a fault.
 */
export function lookIntoSpool(folder: string): SpoolContent {
  const entries: SpoolEntry[] = [];
  const faults: SpoolFault[] = [];
  try {
    const info = lstat(folder);
    if (info && !info.isDirectory) faults.push({ path: folder, what: oddity(info, "folder") });
    for (const found of info?.isDirectory ? entriesOf(folder) : []) {
      const entry = parseSpoolName(found.name);
      if (entry === undefined) continue;
      if (found.isFile) entries.push(entry);
      else faults.push({ path: `${folder}/${found.name}`, what: oddity(found, "file") });
    }
  } catch (error) {
    faults.push({ path: folder, what: `cannot be read: ${osReason(error)}` });
  }
  entries.sort((a, b) => a.number - b.number || (a.name < b.name ? -1 : 1));
  faults.sort((a, b) => a.path < b.path ? -1 : 1);
  return { entries, faults };
}

function oddity(
  { isSymlink, isDirectory }: { isSymlink: boolean; isDirectory: boolean },
  wanted: "file" | "folder",
): string {
  const is = isSymlink ? "a symbolic link, " : isDirectory ? "a folder, " : "";
  return `is ${is}not a ${is === "" && wanted === "file" ? "plain " : ""}${wanted}`;
}

/** The files in a folder, in order; none if there is no such folder. */
export function listSpool(folder: string): SpoolEntry[] {
  return lookIntoSpool(folder).entries;
}

/** How many events the files of a folder have by their names, and what is odd there. */
export interface SpoolSum {
  events: number;
  faults: readonly SpoolFault[];
}

/** A change within this time of another may leave no trace in the times of a folder, ms. */
const SAME_TIME_MS = 3000;

/** Sums up a folder; it is not read again before something in it has changed. */
export class SpoolSummer {
  readonly #folder: string;
  readonly #clock: Pick<Clock, "now">;
  #known: { stamp: string; sum: SpoolSum } | undefined;

  constructor(folder: string, clock: Pick<Clock, "now">) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** What is there now. Never throws, as {@link lookIntoSpool}. */
  sum(): SpoolSum {
    const stamp = this.#stamp();
    if (stamp !== undefined && this.#known?.stamp === stamp) return this.#known.sum;
    const { entries, faults } = lookIntoSpool(this.#folder);
    const sum = { events: entries.reduce((n, { events }) => n + events, 0), faults };
    // What kept it from being read, such as too many open files, may be over at any time.
    const isRead = faults.every(({ path }) => path !== this.#folder);
    this.#known = isRead && stamp !== undefined ? { stamp, sum } : undefined;
    return sum;
  }

  /** Another one after each change; undefined if that cannot be told. */
  #stamp(): string | undefined {
    const info = attempt(() => lstat(this.#folder));
    if (!info?.isDirectory || !info.mtime || !info.ctime) return undefined;
    const [mtime, ctime] = [info.mtime.getTime(), info.ctime.getTime()];
    if (this.#clock.now() - Math.max(mtime, ctime) < SAME_TIME_MS) return undefined;
    return `${info.dev} ${info.ino} ${mtime} ${ctime}`;
  }
}

/** What a new file has for its owner and its mode. */
export interface NewFile {
  mode: number;
  uid?: number | null;
  gid?: number | null;
}

/** Creates a file durably: it is whole under its name, or not there. */
export function writeSpooled(
  { folder, name }: { folder: string; name: string },
  bytes: Uint8Array,
  { mode, uid = null, gid = null }: NewFile,
): void {
  const unfinished = `${folder}/.new-${newTag()}`;
  try {
    using file = Deno.openSync(unfinished, { write: true, createNew: true, mode });
    // Whatever the umask.
    Deno.chmodSync(unfinished, mode);
    if (uid !== null || gid !== null) Deno.chownSync(unfinished, uid, gid);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncSync();
    Deno.renameSync(unfinished, `${folder}/${name}`);
  } catch (error) {
    ifThere(() => Deno.removeSync(unfinished));
    throw error;
  }
  syncSpool(folder);
}

/** Returns once the folder's entries would survive a power cut. */
export function syncSpool(folder: string): void {
  using file = Deno.openSync(folder, { read: true });
  file.syncSync();
}

/** Larger than any file that is written, bytes. */
const LONGEST = 64 * 1024 * 1024;

/**
 * The bytes of a file; undefined if it is gone. In a folder in which a group may write, a name may
 * stand for anything: only plain files with one name are read, and none that is beyond any size.
 * Empty bytes stand for those, which are damage.
 */
export function readSpooled(path: string): Uint8Array | undefined {
  return ifThere(() => {
    const named = Deno.lstatSync(path);
    const isPlain = named.isFile && (named.nlink ?? 1) === 1 && named.size <= LONGEST;
    if (!isPlain) return new Uint8Array(0);
    using file = Deno.openSync(path, { read: true });
    const { ino, dev, size } = file.statSync();
    if (ino !== named.ino || dev !== named.dev || size > LONGEST) return new Uint8Array(0);
    const bytes = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const count = file.readSync(bytes.subarray(at));
      if (count === null) break;
      at += count;
    }
    return bytes.subarray(0, at);
  });
}

/** The same, or why they cannot be read. */
export function readIfReadable(path: string): Uint8Array | SpoolFault | undefined {
  try {
    return readSpooled(path);
  } catch (error) {
    return { path, what: `cannot be read: ${osReason(error)}` };
  }
}

/** What a killed publisher left unfinished is removed. Call it while holding the lock. */
export function removeUnfinished(folder: string): void {
  if (!lstat(folder)?.isDirectory) return;
  for (const { name } of entriesOf(folder)) {
    if (UNFINISHED.test(name)) ifThere(() => Deno.removeSync(`${folder}/${name}`));
  }
}

/**
 * The lock on a spool, once nobody else has it. Throws `CannotStoreError` if that takes too long.
 */
export async function lockSpool(
  folder: string,
  clock: Pick<Clock, "monotonic" | "setTimer">,
): Promise<Disposable> {
  const until = clock.monotonic() + PATIENCE_MS;
  for (let pause = 1;; pause = Math.min(2 * pause, 20)) {
    const lock = tryLockSpool(folder);
    if (lock !== undefined) return lock;
    if (clock.monotonic() >= until) {
      throw new CannotStoreError(`somebody else holds the lock on ${folder}`, {
        code: "spool/unusable",
        hint: `who it is: fuser -v ${shellQuote(folder)}`,
      });
    }
    await new Promise<void>((resolve) => void clock.setTimer(resolve, pause));
  }
}

/** The lock on a spool; undefined while somebody else has it. */
export function tryLockSpool(folder: string): Disposable | undefined {
  const file = Deno.openSync(folder, { read: true });
  if (file.tryLockSync(true)) return file;
  file.close();
  return undefined;
}

function entriesOf(folder: string): Deno.DirEntry[] {
  return ifThere(() => [...Deno.readDirSync(folder)]) ?? [];
}
