/** The files of a spool, as `evs spool` shows and changes them. */
import { InvalidArgumentError, NotFoundError } from "../../core/base/errors.ts";
import { decodeSpooled, type RefusedSpoolLine } from "../../core/spool/spool_file.ts";
import { listSpool, readSpooled, REFUSED_FOLDER } from "../../core/spool/spool_folder.ts";
import type { SpoolPlace } from "./place.ts";

/** What became of a file. */
export type SpoolState = "waiting" | "refused" | "damaged";

/** A file of the spool. */
export interface SpoolFileInfo {
  /** From its name. */
  id: string;
  state: SpoolState;
  /** Undefined if it is damaged. */
  topic?: string;
  type?: string;
  events: number;
  bytes: number;
  /** Unix ms. */
  spooledAt?: number;
  /** Why a daemon did not accept it: the first lines. */
  refused?: readonly RefusedSpoolLine[];
  path: string;
}

/** All files, in the order in which they are taken in, and then what was refused. */
export function* filesOf({ folders }: Pick<SpoolPlace, "folders">): Generator<SpoolFileInfo> {
  for (const folder of folders) {
    yield* filesIn(folder, "waiting");
    yield* filesIn(`${folder}/${REFUSED_FOLDER}`, "refused");
  }
}

function* filesIn(folder: string, state: SpoolState): Generator<SpoolFileInfo> {
  for (const { name, events, bytes, tag } of listSpool(folder)) {
    const path = `${folder}/${name}`;
    const content = readSpooled(path);
    // It was taken in meanwhile.
    if (content === undefined) continue;
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
  if (refused) return found.filter(({ state }) => state !== "waiting");
  const missing = ids.filter((id) => !found.some((file) => file.id === id));
  if (missing.length === 0) return found.filter(({ id }) => ids.includes(id));
  throw new NotFoundError("spool", `the spool has no file ${missing.join(", ")}`, {
    hint: "evs spool list shows what is there; the rest was taken in, or removed",
    details: { missing },
  });
}
