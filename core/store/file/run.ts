/** Lines to be appended, and how they divide into blocks. */
import { envelopeHead, type NewEvent } from "../../event/event.ts";
import { OWN_ID_BYTES, timeOfId } from "../../event/id.ts";
import { metadataBytes, sizeOf } from "../append.ts";
import { crc32 } from "../../base/checksum.ts";
import { defined } from "../../base/defined.ts";
import type { PackedRequest } from "../pack.ts";
import { type LineRoom, packedLines } from "../packed_lines.ts";
import { BLOCK_BYTES, type IndexBlock } from "./block.ts";

/** Concatenated lines, and what the index needs to know about each. */
export interface Run {
  firstSeq: number;
  count: number;
  bytes: Uint8Array;
  /** Line i ends before `ends[i]`, including its line feed. */
  ends: ArrayLike<number>;
  given: boolean;
  keyed: boolean;
  /** What lines `from` to `to` (exclusive) add to their block. */
  sum(from: number, to: number): RunSum;
}

/** What some lines add to their block: see {@link IndexBlock}. */
export type RunSum = Pick<IndexBlock, "size" | "maxTimestamp" | "minIdTime" | "maxIdTime">;

const LF = 0x0a;
const CLOSING_BRACE = 0x7d;
/** Most bytes of UTF-8 that one UTF-16 unit takes. */
const MOST_BYTES = 3;
/** Appends further apart than this (ms) do not share a block, which has a single `storedAt`. */
const SAME_MOMENT = 1000;
const encoder = new TextEncoder();

/** The run of a packed request that is stored unchanged; see `takesAll` of core/store/pack.ts. */
export function packedRun(
  request: PackedRequest,
  firstSeq: number,
  { room, keySeqs }: { room: LineRoom; keySeqs?: readonly number[] },
): Run {
  const { count, timestamps, keys } = request;
  const { bytes, ends } = packedLines(request, firstSeq, { room, ...defined({ keySeqs }) });
  return {
    firstSeq,
    count,
    bytes,
    ends,
    given: false,
    keyed: keys !== undefined,
    sum: (from, to) => ({
      size: sizeOfPacked(request, from, to),
      maxTimestamp: typeof timestamps === "number" ? timestamps : most(timestamps, from, to),
      ...idTimes(request, from, to),
    }),
  };
}

function sizeOfPacked(
  { bounds, metadata }: PackedRequest,
  from: number,
  to: number,
): number {
  let size = 0;
  for (let i = from; i < to; i++) size += bounds[2 * i + 1]! - bounds[2 * i]!;
  if (typeof metadata === "string") return size + (to - from) * metadataBytes(metadata, 0);
  for (let i = from; i < to; i++) size += metadataBytes(metadata, i);
  return size;
}

function most(numbers: Float64Array, from: number, to: number): number {
  let most = -Infinity;
  for (let i = from; i < to; i++) most = Math.max(most, numbers[i]!);
  return most;
}

/**
 * When the ids were generated. Ids generated together ascend, so the first and last one suffice.
 */
function idTimes(
  { ids }: PackedRequest,
  from: number,
  to: number,
): Pick<RunSum, "minIdTime" | "maxIdTime"> {
  if (typeof ids === "string") return timesOf(ids.split("\n").slice(from, to));
  return {
    minIdTime: timeOfOwnId(ids, from * OWN_ID_BYTES),
    maxIdTime: timeOfOwnId(ids, (to - 1) * OWN_ID_BYTES),
  };
}

function timesOf(ids: readonly string[]): Pick<RunSum, "minIdTime" | "maxIdTime"> {
  let [minIdTime, maxIdTime] = [Infinity, -Infinity];
  for (const id of ids) {
    const time = timeOfId(id);
    if (time === undefined) continue;
    minIdTime = Math.min(minIdTime, time);
    maxIdTime = Math.max(maxIdTime, time);
  }
  return { minIdTime, maxIdTime };
}

/** The Unix ms of the UUIDv7 at `at`. */
function timeOfOwnId(ids: Uint8Array, at: number): number {
  let time = 0;
  // 8 digits, a hyphen, 4 digits.
  for (let i = at; i < at + 13; i++) {
    const byte = ids[i]!;
    if (byte !== 0x2d) time = time * 16 + (byte > 0x39 ? byte - 0x57 : byte - 0x30);
  }
  return time;
}

/** Splits consecutive events into runs, so that within a run either all ids were given or none. */
export function runsOf(topic: string, firstSeq: number, events: readonly NewEvent[]): Run[] {
  const runs: Run[] = [];
  for (let from = 0; from < events.length;) {
    const given = events[from]!.idGiven;
    let to = from + 1;
    while (to < events.length && events[to]!.idGiven === given) to++;
    runs.push(runOf(topic, firstSeq + from, events.slice(from, to)));
    from = to;
  }
  return runs;
}

function runOf(topic: string, firstSeq: number, events: readonly NewEvent[]): Run {
  const heads = events.map((event, i) => envelopeHead({ ...event, topic, seq: firstSeq + i }));
  let room = 0;
  for (let i = 0; i < events.length; i++) {
    room += heads[i]!.length * MOST_BYTES + events[i]!.payload.length + 2;
  }
  const bytes = new Uint8Array(room);
  const ends = new Uint32Array(events.length);
  let at = 0;
  events.forEach(({ payload }, i) => {
    at += encoder.encodeInto(heads[i]!, bytes.subarray(at)).written;
    bytes.set(payload, at);
    at += payload.length;
    bytes[at++] = CLOSING_BRACE;
    bytes[at++] = LF;
    ends[i] = at;
  });
  return {
    firstSeq,
    count: events.length,
    bytes: bytes.subarray(0, at),
    ends,
    given: events[0]!.idGiven,
    keyed: events.some(({ key }) => key !== undefined),
    sum(from, to) {
      const part = events.slice(from, to);
      return {
        size: part.reduce((size, event) => size + sizeOf(event), 0),
        maxTimestamp: part.reduce((most, { timestamp }) => Math.max(most, timestamp), -Infinity),
        ...timesOf(part.map(({ id }) => id)),
      };
    },
  };
}

/** The place of an append. */
export interface AppendPlace {
  /** The last block of the segment. */
  last: IndexBlock | undefined;
  /** The segment's length. */
  end: number;
  syncedEnd: number;
  /** Unix ms. */
  now: number;
}

/** The blocks of an append; the first may be the segment's last block, extended. */
export function blocksOfRuns(runs: readonly Run[], place: AppendPlace): IndexBlock[] {
  const blocks: IndexBlock[] = [];
  let end = place.end;
  for (const run of runs) {
    const before = blocks.at(-1) ?? place.last;
    const extended = before && mayExtend(before, run, place) ? before : undefined;
    if (extended && blocks.length > 0) blocks.pop();
    const made = divide(run, { ...place, end, last: extended });
    blocks.push(...made);
    end += run.bytes.length;
  }
  const last = blocks.at(-1);
  if (last) last.commitEnd = true;
  return blocks;
}

function mayExtend(block: IndexBlock, run: Run, { now }: AppendPlace): boolean {
  return !block.damaged && block.given === run.given && block.end - block.start < BLOCK_BYTES &&
    Math.abs(now - block.storedAt) < SAME_MOMENT;
}

function divide(run: Run, place: AppendPlace): IndexBlock[] {
  const { ends, bytes, given, keyed } = run;
  const { now: storedAt, syncedEnd } = place;
  const blocks: IndexBlock[] = [];
  let block = place.last && { ...place.last };
  /** The line with which the block begins or continues, and its offset in the run. */
  let [first, from] = [0, 0];
  for (let i = 0; i < run.count; i++) {
    const end = ends[i]!;
    block ??= empty(place.end + from, run.firstSeq + i, given);
    if (place.end + end - block.start < BLOCK_BYTES && i + 1 < run.count) continue;
    const { size, maxTimestamp, minIdTime, maxIdTime } = run.sum(first, i + 1);
    block.count += i + 1 - first;
    block.size += size;
    block.maxTimestamp = Math.max(block.maxTimestamp, maxTimestamp);
    block.minIdTime = Math.min(block.minIdTime, minIdTime);
    block.maxIdTime = Math.max(block.maxIdTime, maxIdTime);
    block.crc = crc32(bytes.subarray(from, end), block.crc);
    block.end = place.end + end;
    block.storedAt = storedAt;
    block.syncedEnd = syncedEnd;
    block.commitStart = place.end;
    block.commitEnd = false;
    block.keyed ||= keyed;
    blocks.push(block);
    block = undefined;
    [first, from] = [i + 1, end];
  }
  return blocks;
}

function empty(start: number, firstSeq: number, given: boolean): IndexBlock {
  return {
    start,
    end: start,
    firstSeq,
    count: 0,
    crc: 0,
    maxTimestamp: -Infinity,
    size: 0,
    given,
    keyed: false,
    minIdTime: Infinity,
    maxIdTime: -Infinity,
    storedAt: 0,
    commitStart: start,
    commitEnd: false,
    syncedEnd: 0,
    damaged: false,
  };
}
