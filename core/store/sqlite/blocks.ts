/**
 * What `blocks` keeps of each 1,024 seqs of a topic: where they begin and end, sums for seeking,
 * and the CRC-32 of all their lines, so that a read of a whole block is checked at once.
 */
import { fromWireLine, type NewEvent } from "../../event/event.ts";
import { metadataBytes, sizeOf } from "../append.ts";
import { packedId, type PackedRequest } from "../pack.ts";
import type { PackedLines } from "../packed_lines.ts";
import { carryCrc, holdsLine, valuesSum } from "./row_checksum.ts";
import { BLOCK, blockOf, position } from "./position.ts";
import type { Prepare } from "./statements.ts";

/** One row of `blocks`, without its sum. */
export interface SeqBlock {
  topic: number;
  block: number;
  first: number;
  last: number;
  bytes: number;
  maxTimestamp: number;
  minId: string | null;
  maxId: string | null;
  crc: number;
}

/** A row as SQLite gives it. */
interface BlockRow {
  topic: number;
  block: number;
  first: number;
  last: number;
  bytes: number;
  max_timestamp: number;
  min_id: string | null;
  max_id: string | null;
  crc: number;
  sum: number;
}

/** A block that holds nothing yet and begins at `first`. */
export function emptyBlock(topic: number, first: number): SeqBlock {
  return {
    topic,
    block: blockOf(first),
    first,
    last: first - 1,
    bytes: 0,
    maxTimestamp: 0,
    minId: null,
    maxId: null,
    crc: 0,
  };
}

/** Counts an event that is the next of the block. Its line is not in `crc` yet. */
export function addToBlock(block: SeqBlock, event: NewEvent, size: number): void {
  block.last++;
  block.bytes += size;
  if (event.timestamp > block.maxTimestamp || block.last === block.first) {
    block.maxTimestamp = event.timestamp;
  }
  if (event.idGiven) return;
  if (block.minId === null || event.id < block.minId) block.minId = event.id;
  if (block.maxId === null || event.id > block.maxId) block.maxId = event.id;
}

/**
 * Counts a part of a packed request whose ids are all ours; returns the bytes that it counts for.
 */
export function addPackedToBlock(
  block: SeqBlock,
  request: PackedRequest,
  { from, to, lines }: { from: number; to: number; lines: PackedLines },
): number {
  const { bounds, timestamps, metadata } = request;
  const shared = typeof metadata === "string" ? metadataBytes(metadata, 0) : undefined;
  let size = 0;
  let maxTimestamp = block.last >= block.first ? block.maxTimestamp : -Infinity;
  for (let i = from; i < to; i++) {
    size += bounds[2 * i + 1]! - bounds[2 * i]! + (shared ?? metadataBytes(metadata, i));
    const timestamp = typeof timestamps === "number" ? timestamps : timestamps[i]!;
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
  }
  const [minId, maxId] = idRange(request, from, to);
  block.last += to - from;
  block.bytes += size;
  block.maxTimestamp = maxTimestamp;
  if (block.minId === null || minId < block.minId) block.minId = minId;
  if (block.maxId === null || maxId > block.maxId) block.maxId = maxId;
  const start = from === 0 ? 0 : lines.ends[from - 1]!;
  block.crc = carryCrc(block.crc, lines.bytes.subarray(start, lines.ends[to - 1]!));
  return size;
}

function sumOf(block: SeqBlock): number {
  return valuesSum(
    block.topic,
    block.block,
    block.first,
    block.last,
    block.bytes,
    block.maxTimestamp,
    block.minId,
    block.maxId,
    block.crc,
  );
}

/** Writes the row of a block. */
export function writeBlock(block: SeqBlock, prepare: Prepare): void {
  prepare("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").run(
    block.topic,
    block.block,
    block.first,
    block.last,
    block.bytes,
    block.maxTimestamp,
    block.minId,
    block.maxId,
    block.crc,
    sumOf(block),
  );
}

/** The block of a row; undefined when the row is not as it was written. */
function checked(row: BlockRow): SeqBlock | undefined {
  const block: SeqBlock = {
    topic: row.topic,
    block: row.block,
    first: row.first,
    last: row.last,
    bytes: row.bytes,
    maxTimestamp: row.max_timestamp,
    minId: row.min_id,
    maxId: row.max_id,
    crc: row.crc,
  };
  return sumOf(block) === row.sum ? block : undefined;
}

/**
 * The block of the values of a row, as they lie on a page; undefined when they are not one, as it
 * was written.
 */
export function blockOfRecord(values: readonly unknown[]): SeqBlock | undefined {
  if (values.length !== 10) return undefined;
  const [topic, block, first, last, bytes, max_timestamp, min_id, max_id, crc, sum] = values;
  const row = { topic, block, first, last, bytes, max_timestamp, min_id, max_id, crc, sum };
  return checked(row as BlockRow);
}

/** The row of a block; undefined when it is not there, or not as it was written. */
export function readBlock(
  place: { topic: number; block: number },
  prepare: Prepare,
): SeqBlock | undefined {
  const row = prepare("SELECT * FROM blocks WHERE topic = ? AND block = ?")
    .get(place.topic, place.block) as unknown as BlockRow | undefined;
  return row && checked(row);
}

/** All rows that are as they were written, by topic, in order. What is not is left out. */
export function readBlocks(prepare: Prepare): Map<number, SeqBlock[]> {
  const topics = new Map<number, SeqBlock[]>();
  const rows = prepare("SELECT * FROM blocks ORDER BY topic, block").iterate();
  for (const row of rows as unknown as Iterable<BlockRow>) {
    const block = checked(row);
    if (!block) continue;
    const blocks = topics.get(block.topic);
    if (blocks) blocks.push(block);
    else topics.set(block.topic, [block]);
  }
  return topics;
}

const LINE_FEED = Uint8Array.of(0x0a);

interface LogRow {
  pos: number;
  type: string;
  head: number;
  sum: number;
  line: Uint8Array;
}

/**
 * Makes one block again from the log; undefined when the log has nothing of it. A damaged row
 * counts for nothing: its bytes must not get into a checksum that vouches for them.
 */
export function rebuildBlock(
  prepare: Prepare,
  { topic, block: number }: { topic: number; block: number },
): SeqBlock | undefined {
  const base = position(topic, 0);
  const given = prepare("SELECT seq FROM given_ids WHERE topic = ? AND id = ?");
  const rows = prepare(
    "SELECT pos, type, head, sum, line FROM log WHERE pos BETWEEN ? AND ? ORDER BY pos",
  ).iterate(base + number * BLOCK + 1, base + (number + 1) * BLOCK) as unknown as Iterable<LogRow>;
  let block: SeqBlock | undefined;
  for (const row of rows) {
    const seq = row.pos - base;
    block ??= emptyBlock(topic, seq);
    block.last = seq - 1;
    if (!holdsLine(row.sum, row)) {
      block.last = seq;
      continue;
    }
    const event = fromWireLine(row.line, row.head);
    const idGiven = (given.get(topic, event.id) as { seq: number } | undefined)?.seq === seq;
    addToBlock(block, { ...event, idGiven }, sizeOf(event));
    block.crc = carryCrc(carryCrc(block.crc, row.line), LINE_FEED);
  }
  return block;
}

/** Makes every block again from the log. */
export function rebuildBlocks(prepare: Prepare): void {
  prepare("DELETE FROM blocks").run();
  const next = prepare("SELECT min(pos) AS pos FROM log WHERE pos > ?");
  let after = 0;
  while (true) {
    const { pos } = next.get(after) as { pos: number | null };
    if (pos === null) return;
    const topic = Math.floor(pos / position(1, 0));
    const number = blockOf(pos - position(topic, 0));
    const block = rebuildBlock(prepare, { topic, block: number })!;
    writeBlock(block, prepare);
    after = position(topic, (number + 1) * BLOCK);
  }
}

/**
 * The lowest and the highest id of a part of a packed request. Ids that were made together rise.
 */
function idRange(request: PackedRequest, from: number, to: number): [string, string] {
  if (typeof request.ids !== "string") {
    return [packedId(request, from), packedId(request, to - 1)];
  }
  const ids = request.ids.split("\n").slice(from, to);
  return [
    ids.reduce((low, id) => id < low ? id : low),
    ids.reduce((high, id) => id > high ? id : high),
  ];
}
