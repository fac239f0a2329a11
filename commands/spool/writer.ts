/**
 * Adds files to a spool, durably and in order, within its bounds. Several processes may do so at the
 * same time: whoever holds the lock on the folder takes the next number.
 */
import type { Clock } from "../../core/base/clock.ts";
import { CannotStoreError } from "../../core/base/errors.ts";
import { ifThere, lstat } from "../../core/base/if_there.ts";
import { osError, osReason } from "../../core/base/os_error.ts";
import { formatBytes } from "../../core/base/units.ts";
import { holding, nudge } from "../../core/client/daemon_process.ts";
import { settleRestore } from "../../core/data_dir/cut_restore.ts";
import { socketCandidates } from "../../core/protocol/holder.ts";
import { folderOf, type Paths } from "../../core/protocol/paths.ts";
import {
  decodeSpooled,
  encodeSpooled,
  keepLines,
  type SpooledFile,
} from "../../core/spool/spool_file.ts";
import {
  listSpool,
  lockSpool,
  MOST_NUMBER,
  newTag,
  readSpooled,
  REFUSED_FOLDER,
  removeUnfinished,
  type SpoolEntry,
  spoolName,
  syncSpool,
  writeSpooled,
} from "../../core/spool/spool_folder.ts";
import { formatCount } from "../terminal/table.ts";
import { pathNow } from "./files.ts";
import type { SpoolPlace } from "./place.ts";

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/** What a writer works with. */
export interface SpoolWriterContext {
  place: SpoolPlace;
  paths: Paths;
  clock: Clock;
}

/** Writes into one spool. */
export class SpoolWriter {
  readonly #context: SpoolWriterContext;

  constructor(context: SpoolWriterContext) {
    this.#context = context;
  }

  /**
   * Adds a file with this many events. It is durable when it resolves, and a daemon that runs has
   * been told. Throws `CannotStoreError` if it cannot be added; then nothing of it was.
   */
  async put(file: SpooledFile, events: number): Promise<void> {
    await this.#change((folder) => {
      removeUnfinished(folder);
      this.#add(file, { events, tag: newTag(), replaces: { events: 0, bytes: 0 } });
    });
    await this.#tell();
  }

  /**
   * Has a file that was refused wait once more, under its id; returns how many events it has, and
   * undefined if it is not there any more. It is read under the lock: a line may have been redacted
   * since it was listed.
   */
  async putBack(listed: { path: string; id: string }): Promise<number | undefined> {
    const events = await this.#change(() => {
      const path = pathNow(listed);
      const content = readSpooled(path);
      const file = content && decodeSpooled(content);
      if (file === undefined) return undefined;
      const { refused: _refused, ...request } = file.request;
      const { kept } = keepLines(file, () => true);
      const replaces = { events: kept, bytes: content!.length };
      // In both places for a moment: its ids say that it is the same.
      this.#add({ ...file, request }, { events: kept, tag: listed.id, replaces });
      ifThere(() => Deno.removeSync(path));
      syncSpool(folderOf(path));
      return kept;
    });
    if (events !== undefined) await this.#tell();
    return events;
  }

  /** Does it while nobody else changes the spool. */
  async #change<T>(work: (folder: string) => T): Promise<T> {
    const { place, clock } = this.#context;
    try {
      makeFolder(place);
      using _lock = await lockSpool(place.folder, clock);
      return work(place.folder);
    } catch (error) {
      throw asSpoolError(error, place);
    }
  }

  /** `replaces`: what it takes the place of, for the bounds. */
  #add(
    file: SpooledFile,
    { events, tag, replaces }: {
      events: number;
      tag: string;
      replaces: { events: number; bytes: number };
    },
  ): void {
    const { folder } = this.#context.place;
    const bytes = encodeSpooled(file);
    const number = this.#admit({
      events: events - replaces.events,
      bytes: bytes.length - replaces.bytes,
    });
    const name = spoolName({ number, events, bytes: bytes.length, tag });
    writeSpooled({ folder, name }, bytes, newFileIn(folder));
  }

  /** The number for a new file. Throws if it does not fit. */
  #admit(added: { events: number; bytes: number }): number {
    const { folder, maxBytes, maxEvents } = this.#context.place;
    const waiting = listSpool(folder);
    const all = [...waiting, ...listSpool(`${folder}/${REFUSED_FOLDER}`)];
    let [events, bytes] = [added.events, added.bytes];
    for (const entry of all) {
      events += entry.events;
      bytes += entry.bytes;
    }
    if (events <= maxEvents && bytes <= maxBytes) return nextNumber(folder, waiting);
    const there = { events: events - added.events, bytes: bytes - added.bytes };
    throw new CannotStoreError(
      `the spool ${folder} is full: it has ${formatCount(there.events)} events, ` +
        `${formatBytes(there.bytes)}, and may have ${formatCount(maxEvents)}, ` +
        `${formatBytes(maxBytes)}; nothing was added`,
      {
        code: "spool/full",
        hint: "evs daemon start takes it in; evs spool list says what is there",
        details: { folder, ...there, maxEvents, maxBytes },
      },
    );
  }

  /** A daemon may have started meanwhile, or stand still: it looks when it goes on. */
  async #tell(): Promise<void> {
    const { paths, place: { dataDir, isNamed } } = this.#context;
    const holder = holding({ ...paths, dataDir, chosen: "data-dir" })?.holder;
    if (holder !== undefined) nudge(holder);
    // Somebody else's daemon takes no signals from us; it looks when somebody connects.
    if (isNamed) { for (const socket of socketCandidates(paths)) await ring(socket); }
  }
}

/** Connects and says nothing. A daemon that stands still finds that when it goes on. */
async function ring(path: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    // None is there: the next one looks at its start.
  }
}

/** Creates the folder in the data dir for the owner alone. One that the config names is there. */
function makeFolder({ folder, isNamed, dataDir }: SpoolPlace): void {
  if (!isNamed && !lstat(folder)) {
    // A data dir that a restore has moved aside is brought back, not made anew.
    settleRestore(dataDir);
    for (const path of [dataDir, folder]) {
      if (lstat(path)) continue;
      Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
      Deno.chmodSync(path, 0o700);
      giveToOwner(path, dataDir);
      syncSpool(folderOf(path));
    }
  }
  const { isDirectory, mode, uid } = Deno.lstatSync(folder);
  const isOthers = uid !== Deno.uid() && Deno.uid() !== 0 && ((mode ?? 0) & GROUP_WRITES) === 0;
  const fault = !isDirectory
    ? "is not a folder"
    : ((mode ?? 0) & OTHERS_WRITE) !== 0
    ? "can be written by everybody"
    : isOthers
    ? "belongs to somebody else"
    : undefined;
  if (fault === undefined) return;
  throw new CannotStoreError(`the spool ${folder} ${fault}: nothing was spooled`, {
    code: "spool/unusable",
    hint: "spool.folder in the config names another one",
  });
}

/** What root makes in the data dir of a daemon is that daemon's. */
function giveToOwner(path: string, dataDir: string): void {
  const { uid, gid } = Deno.lstatSync(dataDir);
  if (Deno.uid() === 0 && uid !== 0) Deno.chownSync(path, uid, gid);
}

/** Whoever reads the folder has to read the file, and nobody else. */
function newFileIn(folder: string): { mode: number; uid?: number | null; gid?: number | null } {
  const { mode, uid, gid } = Deno.lstatSync(folder);
  const own = Deno.uid();
  if (((mode ?? 0) & GROUP_WRITES) !== 0) return { mode: 0o640, gid };
  return { mode: 0o600, ...(own === 0 && uid !== 0 ? { uid, gid } : {}) };
}

const NO_SPACE: readonly unknown[] = ["ENOSPC", "EDQUOT"];

function asSpoolError(error: unknown, { folder, isNamed }: SpoolPlace): unknown {
  const { NotFound, PermissionDenied, NotADirectory } = Deno.errors;
  if (NO_SPACE.includes((error as { code?: unknown }).code)) {
    return new CannotStoreError(`nothing was spooled: the disk of ${folder} is full`, {
      code: "store/disk-full",
      cause: error,
    });
  }
  const isPlace = [NotFound, PermissionDenied, NotADirectory].some((kind) => error instanceof kind);
  if (!isPlace && osError(error) === undefined) return error;
  return new CannotStoreError(
    `nothing was spooled: ${folder} cannot be written: ${osReason(error)}`,
    {
      code: "spool/unusable",
      hint: isNamed
        ? "the config names it as spool.folder, for the group that may use the socket"
        : "spool.folder in the config names one in which a group may write",
      cause: error,
    },
  );
}

function nextNumber(folder: string, waiting: readonly SpoolEntry[]): number {
  const last = waiting.at(-1);
  if (last === undefined || last.number < MOST_NUMBER) return (last?.number ?? 0) + 1;
  throw new CannotStoreError(`no number is left after ${last.name} in the spool ${folder}`, {
    code: "spool/unusable",
    hint: `evs spool list says what is there; evs spool remove ${last.tag} removes it`,
    details: { folder, file: last.name },
  });
}
