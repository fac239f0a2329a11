/**
 * Removes one event from a spool: from what waits for a daemon, and from what one refused. It is not
 * published afterwards: what waits has no seq yet, so nothing else refers to it.
 */
import {
  decodeSpooled,
  encodeSpooled,
  isBlank,
  keepLines,
  type SpooledRequest,
} from "./spool_file.ts";
import { ifThere } from "../base/if_there.ts";
import {
  listSpool,
  readIfReadable,
  REFUSED_FOLDER,
  type SpoolEntry,
  spoolName,
  syncSpool,
  writeSpooled,
} from "./spool_folder.ts";

/** The event to remove. */
export interface RedactedEvent {
  topic: string;
  id: string;
}

/**
 * Removes it durably, and returns in how many places it was. Nobody may be taking in the spool
 * meanwhile (`SpoolIntake.between`).
 */
export function redactSpooled(folder: string, event: RedactedEvent): number {
  return redactFolder(folder, event) + redactFolder(`${folder}/${REFUSED_FOLDER}`, event);
}

function redactFolder(folder: string, { topic, id }: RedactedEvent): number {
  let count = 0;
  for (const entry of listSpool(folder)) {
    const path = `${folder}/${entry.name}`;
    const bytes = readIfReadable(path);
    // What cannot be read cannot be taken in, either.
    const file = bytes instanceof Uint8Array ? decodeSpooled(bytes) : undefined;
    if (file?.request.topic !== topic) continue;
    let found = 0;
    const { body, kept } = keepLines(file, (line, bytes) => {
      if (idOf(file.request, { line, bytes }) !== id) return true;
      found++;
      return false;
    });
    if (found === 0) continue;
    count += found;
    const { request } = file;
    // An id of one event stands in the query, with what else is said of it there.
    if (kept === 0) ifThere(() => Deno.removeSync(path));
    else {
      const left = encodeSpooled({ request: without(request, body), body });
      rewrite({ folder, entry, events: kept }, left);
    }
    syncSpool(folder);
  }
  return count;
}

/**
 * In its place and under its id. Only then does its name get the new counts: never are there two
 * files of it, one of them as it was.
 */
function rewrite(
  { folder, entry, events }: { folder: string; entry: SpoolEntry; events: number },
  bytes: Uint8Array,
): void {
  const { name } = entry;
  const { mode, uid, gid } = Deno.lstatSync(`${folder}/${name}`);
  const isOurs = uid === Deno.uid();
  const file = { mode: (mode ?? 0o600) & 0o777, ...(isOurs ? {} : { gid }) };
  writeSpooled({ folder, name }, bytes, file);
  const renamed = spoolName({ ...entry, events, bytes: bytes.length });
  Deno.renameSync(`${folder}/${name}`, `${folder}/${renamed}`);
}

/** The reasons for lines that are no longer there may quote them. */
function without(request: SpooledRequest, body: Uint8Array): SpooledRequest {
  const { refused } = request;
  if (refused === undefined) return request;
  const left = new Set<number>();
  keepLines({ request, body }, (line) => {
    left.add(line);
    return true;
  });
  return { ...request, refused: refused.filter(({ line }) => left.has(line)) };
}

/** The id that a line gets; undefined if it cannot be read. */
function idOf(
  { query }: SpooledRequest,
  { line, bytes }: { line: number; bytes: Uint8Array },
): string | undefined {
  const { id, idPrefix, type } = query;
  if (id !== undefined) return id;
  if (type === undefined && !isBlank(bytes)) {
    const own = ownId(new TextDecoder().decode(bytes));
    if (own !== undefined) return own;
  }
  return idPrefix === undefined ? undefined : `${idPrefix}-${line}`;
}

function ownId(text: string): string | undefined {
  try {
    const value = JSON.parse(text) as { id?: unknown } | null;
    return typeof value?.id === "string" ? value.id : undefined;
  } catch {
    return undefined; // it is refused, and has no id
  }
}
