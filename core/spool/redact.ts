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
import { listSpool, readSpooled, REFUSED_FOLDER, syncSpool, writeSpooled } from "./spool_folder.ts";

/** The event to remove. */
export interface RedactedEvent {
  topic: string;
  id: string;
}

/**
 * Removes it durably, and returns in how many places it was. Nobody may be taking in the spool
 * meanwhile (`SpoolIntake.redact`).
 */
export function redactSpooled(folder: string, event: RedactedEvent): number {
  return redactFolder(folder, event) + redactFolder(`${folder}/${REFUSED_FOLDER}`, event);
}

function redactFolder(folder: string, { topic, id }: RedactedEvent): number {
  let count = 0;
  for (const { name } of listSpool(folder)) {
    const path = `${folder}/${name}`;
    const file = decodeSpooled(readSpooled(path) ?? new Uint8Array(0));
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
    else rewrite({ folder, name }, encodeSpooled({ request: without(request, body), body }));
    syncSpool(folder);
  }
  return count;
}

/** Under its own name, so that it keeps its place; the counts in the name are those of before. */
function rewrite(place: { folder: string; name: string }, bytes: Uint8Array): void {
  const { mode, uid, gid } = Deno.lstatSync(`${place.folder}/${place.name}`);
  const isOurs = uid === Deno.uid();
  writeSpooled(place, bytes, { mode: (mode ?? 0o600) & 0o777, ...(isOurs ? {} : { gid }) });
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
