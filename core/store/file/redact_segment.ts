/**
 * Replaces one line of a segment. The new line has another length, so the lines and the index are
 * written anew, and both have to take the places of the old ones together:
 *
 * 1. `SEQ.index.redacted` is written and synced, then `SEQ.ndjson.new`.
 * 2. `SEQ.ndjson.new` is renamed to `SEQ.ndjson.redacted`: from here on the new files count.
 * 3. They are renamed to `SEQ.index` and `SEQ.ndjson`, in this order.
 *
 * {@link settleReplacements} completes that after a crash, or undoes it if the second step was not
 * reached.
 */
import { crc32 } from "../../base/checksum.ts";
import { concat } from "../../base/bytes.ts";
import type { StoredEvent } from "../../event/event.ts";
import { redactedEvent, redactedLine } from "../../event/redaction.ts";
import { sizeOf } from "../append.ts";
import type { RedactRequest } from "../store.ts";
import { encodeIndex } from "./active_segment.ts";
import type { IndexBlock } from "./block.ts";
import { type Disk, type DiskFile, readFully, removeIfThere, writeFully } from "./disk.ts";
import { parseSegmentFile, REPLACING, segmentFile, UNFINISHED } from "./layout.ts";
import { eachLine, eventOfSlot } from "./lines.ts";

/** Bytes per read and write. */
const STEP = 1024 * 1024;
const LINE_FEED = Uint8Array.of(0x0a);

/** A line of a segment, and what replaces it. */
export interface Replacement {
  /** The index of its block. */
  at: number;
  /** Its place in the segment, with its line feed. */
  start: number;
  end: number;
  bytes: Uint8Array;
  /** The blocks of the segment with the new line. */
  blocks: IndexBlock[];
}

/**
 * What replaces the event that the request names; undefined if it is not in this block. `bytes` are
 * the lines of the block.
 */
export function planReplacement(
  blocks: readonly IndexBlock[],
  { at, bytes }: { at: number; bytes: Uint8Array },
  { seq, id, ...content }: RedactRequest,
): Replacement | undefined {
  const block = blocks[at]!;
  let found: { start: number; end: number; event: StoredEvent } | undefined;
  let next = block.firstSeq;
  eachLine(bytes, (start, end) => {
    if (next++ === seq) {
      found = { start, end: end + 1, event: eventOfSlot(bytes.subarray(start, end)) };
    }
    return found === undefined;
  });
  if (found?.event.id !== id) return undefined;
  const { start, end, event } = found;
  const redacted = redactedEvent(event, content);
  const line = concat([redactedLine(redacted).line, LINE_FEED]);
  const whole = concat([bytes.subarray(0, start), line, bytes.subarray(end)]);
  const growth = whole.length - bytes.length;
  const moved = blocks.map((other, i): IndexBlock => {
    const begin = i > at ? other.start + growth : other.start;
    const last = i >= at ? other.end + growth : other.end;
    return { ...other, start: begin, end: last, commitStart: begin, commitEnd: true };
  });
  moved[at] = {
    ...moved[at]!,
    crc: crc32(whole),
    size: block.size + sizeOf(redacted) - sizeOf(event),
  };
  const synced = moved.at(-1)!.end;
  return {
    at,
    start: block.start + start,
    end: block.start + end,
    bytes: line,
    blocks: moved.map((other) => ({ ...other, syncedEnd: synced })),
  };
}

/**
 * Writes the new files beside the old ones and lets them take their places. If it throws before they
 * count, nothing has changed. After that the error is final: the next start completes it.
 */
export function replaceLine(
  disk: Disk,
  folder: string,
  { firstSeq, sealed, now, end, line }: {
    firstSeq: number;
    sealed: boolean;
    now: number;
    /** Where the segment ends now. */
    end: number;
    line: Replacement;
  },
): void {
  const path = (kind: "ndjson" | "index", suffix: string) =>
    `${folder}/${segmentFile(firstSeq, kind)}${suffix}`;
  const index = encodeIndex({ firstSeq, blocks: line.blocks, sealed, now });
  try {
    createFile(disk, path("index", REPLACING), (file) => writeFully(file, index, 0));
    createFile(disk, path("ndjson", UNFINISHED), (file) => {
      const old = disk.open(path("ndjson", ""), "read");
      try {
        copy(old, file, { from: 0, to: line.start, at: 0 });
        writeFully(file, line.bytes, line.start);
        copy(old, file, { from: line.end, to: end, at: line.start + line.bytes.length });
      } finally {
        old.close();
      }
    });
    // So that the index never lacks its name when the lines have theirs.
    disk.syncFolder(folder);
    disk.rename(path("ndjson", UNFINISHED), path("ndjson", REPLACING));
  } catch (error) {
    for (const [kind, suffix] of [["ndjson", UNFINISHED], ["index", REPLACING]] as const) {
      removeIfThere(disk, path(kind, suffix));
    }
    throw error;
  }
  try {
    disk.syncFolder(folder);
    settle(disk, folder, firstSeq);
  } catch (error) {
    throw new Error(`${path("ndjson", REPLACING)} has not taken its place`, { cause: error });
  }
}

/** Completes what a crash interrupted, or undoes it. */
export function settleReplacements(disk: Disk, folder: string): void {
  const there = disk.list(folder).filter(({ kind }) => kind === "file")
    .flatMap(({ name }) => parseSegmentFile(name) ?? [])
    .filter(({ suffix }) => suffix === REPLACING);
  const decided = new Set(there.filter(({ kind }) => kind === "ndjson").map(({ seq }) => seq));
  for (const { seq, kind } of there) {
    if (!decided.has(seq)) disk.remove(`${folder}/${segmentFile(seq, kind)}${REPLACING}`);
  }
  for (const seq of decided) settle(disk, folder, seq);
}

/** The path of a segment's file that counts: after a crash, that may be the replacing one. */
export function countingFile(
  disk: Disk,
  folder: string,
  { firstSeq, kind }: { firstSeq: number; kind: "ndjson" | "index" },
): string {
  const replacing = (of: "ndjson" | "index") =>
    `${folder}/${segmentFile(firstSeq, of)}${REPLACING}`;
  const isThere = (of: "ndjson" | "index") => disk.size(replacing(of)) !== undefined;
  return isThere("ndjson") && isThere(kind)
    ? replacing(kind)
    : `${folder}/${segmentFile(firstSeq, kind)}`;
}

/** The lines come last: as long as they are not in their place, there is something to do. */
function settle(disk: Disk, folder: string, firstSeq: number): void {
  // It names events by what they said; it is made again from the lines.
  removeIfThere(disk, `${folder}/${segmentFile(firstSeq, "lookup")}`);
  for (const kind of ["index", "ndjson"] as const) {
    const path = `${folder}/${segmentFile(firstSeq, kind)}`;
    if (disk.size(path + REPLACING) === undefined) continue;
    disk.rename(path + REPLACING, path);
    disk.syncFolder(folder);
  }
}

function createFile(disk: Disk, path: string, write: (file: DiskFile) => void): void {
  removeIfThere(disk, path);
  const file = disk.open(path, "create");
  try {
    write(file);
    file.syncNow();
  } finally {
    file.close();
  }
}

/** Copies part of a file. */
function copy(
  from: DiskFile,
  to: DiskFile,
  range: { from: number; to: number; at: number },
): void {
  let { from: position, at } = range;
  const buffer = new Uint8Array(Math.min(STEP, Math.max(0, range.to - position)));
  while (position < range.to) {
    const bytes = readFully(from, buffer.subarray(0, range.to - position), position);
    if (bytes.length === 0) throw new Error("a segment is shorter than it was");
    writeFully(to, bytes, at);
    position += bytes.length;
    at += bytes.length;
  }
}
