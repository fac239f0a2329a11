/** Finds out what a topic's folder holds, and repairs what a crash left. */
import { ifThere } from "../../base/if_there.ts";
import { DataDirError } from "../../base/errors.ts";
import {
  blockSummary,
  decodeSlots,
  type IndexBlock,
  type IndexHeader,
  SLOT,
  type Slot,
} from "./block.ts";
import { type KnownSegment, ROOM, writeIndex } from "./active_segment.ts";
import type { Found } from "../damage.ts";
import { type Disk, readFully, readWhole, removeIfThere, writeFully } from "./disk.ts";
import {
  COUNTS_FILE,
  HEAD_FILE,
  parseSegmentFile,
  REPLACING,
  segmentFile,
  UNFINISHED,
} from "./layout.ts";
import { holesOf, lastKnown, lossesIn } from "./holes.ts";
import { blocksOf, recover, type RecoveredSegment } from "./recovery.ts";
import { readHead } from "./head.ts";
import { settleReplacements } from "./redact_segment.ts";
import type { SegmentInfo, TopicView } from "./view.ts";

const LINE_FEED = Uint8Array.of(0x0a);

/** A topic after opening. */
export interface OpenedTopic {
  view: TopicView;
  /** The segment to append to, if it is not full. */
  open: KnownSegment | undefined;
  /** First seqs of deleted segments whose table of given ids is still there. */
  orphans: number[];
  /** Messages about repairs and damage. */
  notes: string[];
  /** Events that were found to be missing. */
  lost: Found[];
  /** Names in the folder that are not ours. */
  foreign: string[];
}

/** The name and folder of a topic. */
export interface TopicPlace {
  name: string;
  folder: string;
}

/**
 * Opens the topic. Throws `DataDirError` if a segment has a newer format; nothing was touched then.
 * `floor`: seqs up to this one are never assigned again, whatever is left in the folder.
 */
export function openTopic(
  disk: Disk,
  place: TopicPlace,
  { now, floor = 0 }: { now: number; floor?: number },
): OpenedTopic {
  const { name, folder } = place;
  settleReplacements(disk, folder);
  const { segments: found, foreign, unfinished, tables, lines } = listTopic(disk, folder);
  const heads = found.map((seq) => readHeader(disk, `${folder}/${segmentFile(seq, "index")}`));
  for (const file of unfinished) disk.remove(`${folder}/${file}`);
  const notes: string[] = [];
  const head = readHead(disk, folder);
  if (head.damaged) notes.push(`the file ${folder}/${HEAD_FILE} is damaged: left out`);
  const segments: SegmentInfo[] = [];
  const lost: Found[] = [];
  let open: KnownSegment | undefined;
  for (const [i, firstSeq] of found.entries()) {
    const header = heads[i];
    const path = `${folder}/${segmentFile(firstSeq, "ndjson")}`;
    const sealed = header?.sealed === true && header.firstSeq === firstSeq;
    // A different length means that it lost something, or that somebody wrote to it.
    if (sealed && disk.size(path) === header.end) {
      segments.push(infoOf(firstSeq, header, true));
      if (header.lost) lost.push(...lossesIn(name, path, readBlocks(disk, folder, firstSeq)));
      continue;
    }
    const last = i === found.length - 1;
    if (!lines.has(firstSeq)) makeEmpty(disk, folder, firstSeq);
    const recovered = repair(disk, place, { firstSeq, sealed: sealed || !last, now });
    notes.push(...recovered.notes.map((note) => `${segmentFile(firstSeq, "ndjson")}: ${note}`));
    lost.push(...lossesIn(name, path, recovered.blocks));
    segments.push(infoOf(firstSeq, blockSummary(recovered.blocks), sealed || !last));
    if (last && !sealed) open = recovered.known;
  }
  const lastSeq = Math.max(floor, lastKnown(head, segments));
  lost.push(...holesOf(name, { head, segments, lastSeq }));
  const firstSeq = Math.max(head.firstSeq, segments[0]?.firstSeq ?? lastSeq + 1);
  const last = segments.at(-1);
  if (last && open && last.lastSeq < lastSeq) {
    // The lines are lost, but their seqs are not assigned again: new events go to a new segment.
    last.sealed = true;
    open = undefined;
  }
  // Retention wrote the head but was interrupted before it deleted the segments.
  while (segments.length > 1 && segments[0]!.lastSeq < firstSeq) {
    removeSegment(disk, folder, segments.shift()!.firstSeq, { keepTable: true });
  }
  const there = new Set(segments.map((segment) => segment.firstSeq));
  const orphans = tables.filter((seq) => !there.has(seq));
  const view = { name, firstSeq, lastSeq, bytes: 0, segments };
  return { view, open, orphans, notes, lost, foreign };
}

/**
 * Removes the files of a segment, the lines last, so that the next start finds and removes the
 * rest.
 */
export function removeSegment(
  disk: Disk,
  folder: string,
  firstSeq: number,
  { keepTable }: { keepTable: boolean },
): void {
  for (const kind of ["lookup", "index", "ndjson"] as const) {
    if (kind === "lookup" && keepTable) continue;
    removeIfThere(disk, `${folder}/${segmentFile(firstSeq, kind)}`);
  }
}

/** The files of a topic that are not those of a segment. */
const OWN_FILES: readonly string[] = [HEAD_FILE, COUNTS_FILE];

/** Lists a topic's folder. */
export function listTopic(
  disk: Disk,
  folder: string,
): {
  segments: number[];
  /** Segments whose lines file exists. */
  lines: ReadonlySet<number>;
  tables: number[];
  foreign: string[];
  unfinished: string[];
} {
  const tables: number[] = [];
  const segments = new Set<number>();
  const lines = new Set<number>();
  const foreign: string[] = [];
  const unfinished: string[] = [];
  for (const { name, kind } of disk.list(folder)) {
    const segment = parseSegmentFile(name);
    const isUnfinished = segment?.suffix === UNFINISHED ||
      OWN_FILES.some((own) => name === own + UNFINISHED);
    if (kind === "file" && isUnfinished) {
      unfinished.push(name);
    } else if (kind === "file" && segment?.suffix === REPLACING) {
      continue; // stands for the file without the suffix, which is there too
    } else if (kind !== "file" || !(segment || OWN_FILES.includes(name))) {
      foreign.push(name);
    } else if (segment?.kind === "lookup") {
      tables.push(segment.seq);
    } else if (segment) {
      segments.add(segment.seq);
      if (segment.kind === "ndjson") lines.add(segment.seq);
    }
  }
  return { segments: [...segments].sort((a, b) => a - b), lines, tables, foreign, unfinished };
}

function readHeader(disk: Disk, path: string): IndexHeader | undefined {
  const file = ifThere(() => disk.open(path, "read"));
  if (!file) return undefined;
  const bytes = readFully(file, new Uint8Array(SLOT), 0);
  file.close();
  const slot = decodeSlots(bytes)[0];
  refuseNewer(slot, path);
  return slot?.kind === "header" ? slot.header : undefined;
}

/** Throws for a record that a newer version wrote. */
export function refuseNewer(slot: Slot | undefined, path: string): void {
  if (slot?.kind !== "newer") return;
  throw new DataDirError(
    "datadir/newer-format",
    `${path} has format ${slot.format}, which this version does not read; it was left untouched`,
    { hint: "use the newer version of evs that wrote it", details: { format: slot.format } },
  );
}

function readBlocks(disk: Disk, folder: string, firstSeq: number): IndexBlock[] {
  const index = readWhole(disk, `${folder}/${segmentFile(firstSeq, "index")}`);
  return blocksOf(decodeSlots(index ?? new Uint8Array(0)));
}

/**
 * True if an index was not truncated: its length is a multiple of {@link ROOM}, or of a slot once
 * it is sealed.
 */
export function isWholeIndex(index: Uint8Array, slots: readonly Slot[]): boolean {
  const first = slots[0];
  return first?.kind === "header" && index.length % (first.header.sealed ? SLOT : ROOM) === 0;
}

function infoOf(
  firstSeq: number,
  of: Pick<IndexHeader, Exclude<keyof SegmentInfo, "sealed" | "firstSeq">>,
  sealed: boolean,
): SegmentInfo {
  const { end, size, maxTimestamp, minIdTime, maxIdTime, storedAt } = of;
  const lastSeq = Math.max(of.lastSeq, firstSeq - 1);
  return { firstSeq, lastSeq, end, size, maxTimestamp, minIdTime, maxIdTime, storedAt, sealed };
}

function makeEmpty(disk: Disk, folder: string, firstSeq: number): void {
  disk.open(`${folder}/${segmentFile(firstSeq, "ndjson")}`, "create").close();
  disk.syncFolder(folder);
}

function repair(
  disk: Disk,
  { name, folder }: TopicPlace,
  segment: { firstSeq: number; sealed: boolean; now: number },
): RecoveredSegment & { known: KnownSegment } {
  const { firstSeq, sealed, now } = segment;
  const index = readWhole(disk, `${folder}/${segmentFile(firstSeq, "index")}`) ??
    new Uint8Array(0);
  const slots = decodeSlots(index);
  const path = `${folder}/${segmentFile(firstSeq, "ndjson")}`;
  const lines = disk.open(path, "write");
  try {
    const length = lines.size();
    const recovered = recover({
      topic: name,
      firstSeq,
      slots,
      indexWhole: isWholeIndex(index, slots),
      length,
      storedAt: now,
      read: (start, end) => readFully(lines, new Uint8Array(end - start), start),
    });
    if (length > recovered.end) {
      lines.truncate(recovered.end);
      lines.syncNow();
    }
    // A foreign line without a line feed at the end: terminate it, so that the next event starts on
    // its own line.
    if (length < recovered.end) writeFully(lines, LINE_FEED, length);
    const { blocks, end } = recovered;
    const synced = (blocks.at(-1)?.syncedEnd ?? 0) >= end;
    if (recovered.changed || sealed || !synced) {
      // Never serve what a power cut could still take. From here on, anything torn counts as
      // damage.
      lines.syncNow();
      const known = blocks.map((block) => ({ ...block, syncedEnd: end }));
      writeIndex(disk, folder, { firstSeq, blocks: known, sealed, now });
      return {
        ...recovered,
        known: {
          firstSeq,
          end,
          last: known.at(-1),
          slots: known.length + 1,
          syncedEnd: end,
          ours: false,
        },
      };
    }
    // Created, then killed before its name was synced; nothing else will sync it.
    if (end === 0) disk.syncFolder(folder);
    const used = slots.findLastIndex(({ kind }) => kind !== "empty") + 1;
    return {
      ...recovered,
      known: { firstSeq, end, last: blocks.at(-1), slots: used, syncedEnd: end, ours: false },
    };
  } finally {
    lines.close();
  }
}
