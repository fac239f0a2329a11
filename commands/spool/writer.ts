/**
 * Adds files to a spool, durably and in order, within its bounds. Several processes may do so at the
 * same time: whoever holds the lock on the folder takes the next number.
 */
import type { Clock } from "../../core/base/clock.ts";
import { CannotStoreError } from "../../core/base/errors.ts";
import { lstat } from "../../core/base/if_there.ts";
import { osError, osReason } from "../../core/base/os_error.ts";
import { formatBytes } from "../../core/base/units.ts";
import { holding, nudge } from "../../core/client/daemon_process.ts";
import { settleRestore } from "../../core/data_dir/cut_restore.ts";
import { socketCandidates } from "../../core/protocol/holder.ts";
import { folderOf, type Paths } from "../../core/protocol/paths.ts";
import { encodeSpooled, type SpooledFile } from "../../core/spool/spool_file.ts";
import {
  listSpool,
  MOST_NUMBER,
  newTag,
  REFUSED_FOLDER,
  removeUnfinished,
  type SpoolEntry,
  spoolName,
  syncSpool,
  tryLockSpool,
  writeSpooled,
} from "../../core/spool/spool_folder.ts";
import { formatCount } from "../terminal/table.ts";
import type { SpoolPlace } from "./place.ts";

/** How long to wait for others who write, ms. */
const PATIENCE_MS = 30_000;
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
   * been told. Throws `CannotStoreError` if it cannot be added; then nothing of it was. `replaces`: a
   * file of the spool that it takes the place of, for the bounds.
   */
  async put(
    file: SpooledFile,
    events: number,
    { replaces = { events: 0, bytes: 0 } }: { replaces?: { events: number; bytes: number } } = {},
  ): Promise<void> {
    const { place } = this.#context;
    try {
      makeFolder(place);
      using _lock = await this.#lock();
      removeUnfinished(place.folder);
      const bytes = encodeSpooled(file);
      const number = this.#admit({
        events: events - replaces.events,
        bytes: bytes.length - replaces.bytes,
      });
      const name = spoolName({ number, events, bytes: bytes.length, tag: newTag() });
      writeSpooled({ folder: place.folder, name }, bytes, newFileIn(place.folder));
    } catch (error) {
      throw asSpoolError(error, place);
    }
    await this.#tell();
  }

  async #lock(): Promise<Disposable> {
    const { place: { folder }, clock } = this.#context;
    const until = clock.monotonic() + PATIENCE_MS;
    for (let pause = 1;; pause = Math.min(2 * pause, 20)) {
      const lock = tryLockSpool(folder);
      if (lock !== undefined) return lock;
      if (clock.monotonic() >= until) {
        throw new CannotStoreError(`somebody else holds the lock on ${folder}`, {
          code: "spool/unusable",
          hint: `who it is: fuser -v ${folder}`,
        });
      }
      await new Promise<void>((resolve) => void clock.setTimer(resolve, pause));
    }
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
