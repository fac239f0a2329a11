/** Dead letters: pages of their list, what is exported, and the acts on them. */
import type { DeadLetterImportReply, DeadLetterInfo } from "../../core/protocol/protocol.ts";
import { change, pathWith, send } from "./api.ts";
import type { ListPage } from "./pages.ts";

const PAGE = 200;
/** Pages of whole entries are smaller: the daemon decides. */
const FULL_PAGE = 1_000;
/** A part of an import; the daemon takes 16 MiB at once. */
const IMPORT_CHARACTERS = 2_000_000;

type Filter = Record<string, string | number>;

interface Lines {
  lines: string[];
  next: string | undefined;
}

async function linesOf(query: Filter, signal?: AbortSignal): Promise<Lines> {
  const response = await send(pathWith("/v1/dead-letters", query), { signal });
  const lines = (await response.text()).split("\n").filter((line) => line !== "");
  return { lines, next: response.headers.get("evs-next") ?? undefined };
}

/** A page of those that a filter matches, newest first. */
export async function deadLetterPage(
  filter: Filter,
  { after, signal }: { after: string | undefined; signal: AbortSignal },
): Promise<ListPage<DeadLetterInfo>> {
  const query = { ...filter, limit: PAGE, ...(after !== undefined && { after }) };
  const { lines, next } = await linesOf(query, signal);
  return { rows: lines.map((line): DeadLetterInfo => JSON.parse(line)), next };
}

/** All that a filter matches, as `evs dlq export` writes them: oldest first. */
export async function exportDeadLetters(filter: Filter): Promise<Blob> {
  const parts: string[] = [];
  let after: string | undefined;
  do {
    const page = await linesOf({
      ...filter,
      full: 1,
      oldest: 1,
      limit: FULL_PAGE,
      ...(after !== undefined && { after }),
    });
    parts.push(...page.lines.map((line) => `${line}\n`));
    after = page.next;
  } while (after !== undefined);
  return new Blob(parts, { type: "application/x-ndjson" });
}

/** Puts what was exported back into the queue; what is there already stays as it is. */
export async function importDeadLetters(exported: Blob): Promise<DeadLetterImportReply> {
  const sum = { count: 0, mended: 0, unchanged: 0, added: 0, present: 0, refused: [] } as
    & DeadLetterImportReply
    & { refused: NonNullable<DeadLetterImportReply["refused"]> };
  for (const lines of piecesOf(await exported.text())) {
    const reply = await change<DeadLetterImportReply>("/v1/dead-letters/import", {
      method: "POST",
      lines,
    });
    for (const name of ["count", "mended", "unchanged", "added", "present"] as const) {
      sum[name] += reply[name];
    }
    sum.refused.push(...reply.refused ?? []);
  }
  return sum;
}

/** Whole lines, of about the size of one request. */
function* piecesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from + IMPORT_CHARACTERS);
    const to = end < 0 ? text.length : end + 1;
    yield text.slice(from, to);
    from = to;
  }
}

/** Saves it as a file. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read it by then; without this it would be kept until the page closes.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
