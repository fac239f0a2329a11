/**
 * Reads a whole file store and reports what is intact and what is not. Changes nothing, so it needs
 * no lock.
 */
import { ifThere } from "../../base/if_there.ts";
import { systemClock } from "../../base/clock.ts";
import type { Damage, Found } from "../damage.ts";
import type { Seen } from "../seen.ts";
import { Accepted } from "./accepted.ts";
import { damageOf } from "./damage_log.ts";
import { decodeSlots } from "./block.ts";
import { type Disk, readFully, readWhole, systemDisk } from "./disk.ts";
import { readHead } from "./head.ts";
import { holesOf, lastKnown, type Span } from "./holes.ts";
import { segmentFile } from "./layout.ts";
import { eachLine } from "./lines.ts";
import { listStore, readFormat } from "./open_store.ts";
import { isWholeIndex, listTopic, refuseNewer } from "./open_topic.ts";
import { recover, vouchesFor } from "./recovery.ts";
import { countingFile } from "./redact_segment.ts";

/** The result for one topic. */
export interface VerifiedTopic {
  name: string;
  firstSeq: number;
  lastSeq: number;
  /** Events whose checksums match. */
  intact: number;
  segments: number;
  /** Bytes of lines that were read. */
  bytes: number;
  /** Events that cannot be delivered. */
  damage: Damage[];
  /** What the next start will repair: a torn tail, a damaged or missing index. */
  notes: string[];
}

/** The result for a store. */
export interface VerifiedStore {
  topics: VerifiedTopic[];
  /** Paths in the folder that are not ours. */
  foreign: string[];
}

/** Bytes per read. */
const STEP = 1024 * 1024;

/**
 * Checks every byte of the store in `dir`. Throws `DataDirError` for a newer format or a folder
 * that is not a store.
 *
 * `ends`: for a store in use, where its segments end (bytes by path), as its `views()` say;
 * anything beyond is being written and is not checked.
 */
export function verifyFileStore(
  dir: string,
  options: { disk?: Disk; now?: number; ends?: ReadonlyMap<string, number>; seen?: Seen } = {},
): VerifiedStore {
  const { disk = systemDisk, now = systemClock.now(), ends, seen } = options;
  readFormat(disk, dir);
  const { topics, foreign } = listStore(disk, dir);
  const accepted = new Accepted(disk, dir);
  const verified = topics.map(({ name, folder }) => {
    const listed = listTopic(disk, `${dir}/${folder}`);
    foreign.push(...listed.foreign.map((file) => `${folder}/${file}`));
    const place = { name, folder: `${dir}/${folder}`, segments: listed.segments };
    return verifyTopic(disk, place, { now, ends, accepted, seen });
  });
  return { topics: verified, foreign };
}

function verifyTopic(
  disk: Disk,
  place: { name: string; folder: string; segments: readonly number[] },
  { now, ends, accepted, seen }: {
    now: number;
    ends: ReadonlyMap<string, number> | undefined;
    accepted: Accepted;
    seen: Seen | undefined;
  },
): VerifiedTopic {
  const { name, folder, segments } = place;
  const head = readHead(disk, folder);
  const topic: VerifiedTopic = {
    name,
    firstSeq: head.firstSeq,
    lastSeq: head.lastSeq,
    intact: 0,
    segments: segments.length,
    bytes: 0,
    damage: [],
    notes: head.damaged ? [`${folder}/head is damaged`] : [],
  };
  const spans: Span[] = [];
  const tell = (damage: Found) =>
    topic.damage.push({ ...damage, foundAt: now, accepted: accepted.has(damage) });
  for (const firstSeq of segments) {
    const path = `${folder}/${segmentFile(firstSeq, "ndjson")}`;
    const found = verifySegment(disk, { name, folder, firstSeq, seen }, ends?.get(path));
    spans.push({ firstSeq, lastSeq: found.lastSeq });
    topic.bytes += found.bytes;
    topic.notes.push(...found.notes.map((note) => `${path}: ${note}`));
    for (const [first, last] of found.intact) {
      topic.intact += Math.max(0, last - Math.max(first, topic.firstSeq) + 1);
    }
    for (const damage of found.damage) {
      if (damage.lastSeq >= topic.firstSeq) tell(damage);
    }
  }
  const lastSeq = topic.lastSeq = lastKnown(head, spans);
  holesOf(name, { head, segments: spans, lastSeq }).forEach(tell);
  return topic;
}

function verifySegment(
  disk: Disk,
  { name, folder, firstSeq, seen }: {
    name: string;
    folder: string;
    firstSeq: number;
    seen: Seen | undefined;
  },
  end = Infinity,
) {
  const path = countingFile(disk, folder, { firstSeq, kind: "ndjson" });
  const indexPath = countingFile(disk, folder, { firstSeq, kind: "index" });
  const index = readWhole(disk, indexPath) ?? new Uint8Array(0);
  const slots = decodeSlots(index);
  refuseNewer(slots[0], indexPath);
  const lines = ifThere(() => disk.open(path, "read"));
  try {
    const length = Math.min(end, lines?.size() ?? 0);
    const read = (from: number, to: number) =>
      lines ? readFully(lines, new Uint8Array(to - from), from) : new Uint8Array(0);
    const inUse = slots.filter((slot) => slot.kind !== "block" || slot.block.end <= end);
    const recovered = recover({
      topic: name,
      firstSeq,
      slots: inUse,
      indexWhole: isWholeIndex(index, slots),
      length,
      storedAt: 0,
      read,
    });
    const intact: [number, number][] = [];
    const damage: Found[] = [];
    let chunk = { start: 0, bytes: new Uint8Array(0) };
    for (const block of recovered.blocks) {
      if (block.end > chunk.start + chunk.bytes.length) {
        const start = block.start;
        chunk = { start, bytes: new Uint8Array(read(start, Math.max(block.end, start + STEP))) };
      }
      const bytes = chunk.bytes.subarray(block.start - chunk.start, block.end - chunk.start);
      if (!vouchesFor(block, bytes)) damage.push(damageOf(name, path, block));
      else {
        intact.push([block.firstSeq, block.firstSeq + block.count - 1]);
        if (seen) eachLine(bytes, (start, end) => seen.event(name, bytes.subarray(start, end)));
      }
    }
    const last = recovered.blocks.at(-1);
    return {
      intact,
      damage,
      notes: recovered.notes,
      bytes: length,
      lastSeq: last ? last.firstSeq + last.count - 1 : firstSeq - 1,
    };
  } finally {
    lines?.close();
  }
}
