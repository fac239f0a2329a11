/** The files of a spool, as `evs spool` shows and changes them. */
import { InvalidArgumentError, NotFoundError } from "../../core/base/errors.ts";
import { exists } from "../../core/base/if_there.ts";
import { decodeSpooled, type RefusedSpoolLine } from "../../core/spool/spool_file.ts";
import {
  lookIntoSpool,
  parseSpoolName,
  readIfReadable,
  REFUSED_FOLDER,
  type SpoolEntry,
} from "../../core/spool/spool_folder.ts";
import { folderOf } from "../../core/protocol/paths.ts";
import type { SpoolFault } from "../../core/protocol/status.ts";
import type { SpoolPlace } from "./place.ts";

/** What became of a file. */
export type SpoolState = "waiting" | "refused" | "damaged" | "unreadable";

/** A file of the spool. */
export interface SpoolFileInfo {
  /** From its name. */
  id: string;
  state: SpoolState;
  /** Undefined if it is damaged or unreadable. */
  topic?: string;
  type?: string;
  events: number;
  bytes: number;
  /** Unix ms. */
  spooledAt?: number;
  /** Why a daemon did not accept it: the first lines. */
  refused?: readonly RefusedSpoolLine[];
  /** Of what is unreadable: why. */
  what?: string;
  path: string;
}

/** All files, in the order in which they are taken in, and then what was refused. */
export function* filesOf({ folders }: Pick<SpoolPlace, "folders">): Generator<SpoolFileInfo> {
  for (const folder of folders) {
    yield* filesIn(folder, "waiting");
    yield* filesIn(`${folder}/${REFUSED_FOLDER}`, "refused");
  }
}

/** What is odd about the folders themselves, so that what they have is not known. */
export function folderFaults({ folders }: Pick<SpoolPlace, "folders">): SpoolFault[] {
  return folders.flatMap((folder) => [folder, `${folder}/${REFUSED_FOLDER}`])
    .flatMap((folder) => lookIntoSpool(folder).faults.filter(({ path }) => path === folder));
}

function* filesIn(folder: string, state: SpoolState): Generator<SpoolFileInfo> {
  const { entries, faults } = lookIntoSpool(folder);
  for (const fault of faults) {
    const entry = parseSpoolName(fault.path.slice(folder.length + 1));
    if (entry !== undefined) yield unreadable(entry, fault);
  }
  for (const entry of entries) {
    const { name, events, bytes, tag } = entry;
    const path = `${folder}/${name}`;
    const content = readIfReadable(path);
    // It was taken in meanwhile.
    if (content === undefined) continue;
    if (!(content instanceof Uint8Array)) {
      yield unreadable(entry, content);
      continue;
    }
    const file = decodeSpooled(content);
    const { at, topic, query, refused } = file?.request ?? {};
    yield {
      id: tag,
      state: file === undefined ? "damaged" : state,
      ...topic !== undefined && { topic },
      ...query?.["type"] !== undefined && { type: query["type"] },
      events,
      bytes,
      ...at !== undefined && { spooledAt: at },
      ...refused !== undefined && { refused },
      path,
    };
  }
}

function unreadable(
  { tag, events, bytes }: SpoolEntry,
  { path, what }: SpoolFault,
): SpoolFileInfo {
  return { id: tag, state: "unreadable", events, bytes, what, path };
}

/**
 * Where a file is that was listed: a redaction changes its name, not its id. As listed if it is not
 * there any more.
 */
export function pathNow({ path, id }: Pick<SpoolFileInfo, "path" | "id">): string {
  // Reading the folder for each of many files would take the square of their number.
  if (exists(path)) return path;
  const folder = folderOf(path);
  const entry = lookIntoSpool(folder).entries.find(({ tag }) => tag === id);
  return entry === undefined ? path : `${folder}/${entry.name}`;
}

/** Which files a command means. */
export interface SpoolSelection {
  ids: readonly string[];
  /** All that were refused. */
  refused: boolean;
}

/** The files that are meant. Throws `NotFoundError` for an id that is not there. */
export function selected(
  place: Pick<SpoolPlace, "folders">,
  { ids, refused }: SpoolSelection,
): SpoolFileInfo[] {
  if (refused === (ids.length > 0)) {
    throw new InvalidArgumentError("name files by their ids, or all that were refused", {
      code: "argument/usage",
      hint: "evs spool list shows the ids; --refused means all that were refused",
    });
  }
  const found = [...filesOf(place)];
  if (refused) return found.filter(({ state }) => state === "refused" || state === "damaged");
  const missing = ids.filter((id) => !found.some((file) => file.id === id));
  if (missing.length === 0) return found.filter(({ id }) => ids.includes(id));
  throw new NotFoundError("spool", `the spool has no file ${missing.join(", ")}`, {
    hint: "evs spool list shows what is there; the rest was taken in, or removed",
    details: { missing },
  });
}
