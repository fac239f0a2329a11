/**
 * What is known of each topic without reading its events: kept in memory, loaded from the database.
 * Every row it comes from is verified; what can be rebuilt from the log is rebuilt.
 */
import { fromWireLine } from "../../event/event.ts";
import { addRange, type Found, type SeqRanges } from "../damage.ts";
import { holdsLine, valuesSum } from "./row_checksum.ts";
import { readBlocks, rebuildBlock, type SeqBlock, writeBlock } from "./blocks.ts";
import { BLOCK, blockOf, position, SEQ_SPAN } from "./position.ts";
import type { Prepare } from "./statements.ts";

/**
 * One topic of the event database. Plain data, because it is sent from the writer's thread to the
 * reader's.
 */
export interface TopicRow {
  id: number;
  name: string;
  firstSeq: number;
  lastSeq: number;
  bytes: number;
  /** Seqs that are known to be lost. Absent if there are none. */
  holes?: SeqRanges;
}

/** The checksum of a row of `topics`. */
export function topicSum({ id, name, lastSeq }: { id: number; name: string; lastSeq: number }) {
  return valuesSum(id, name, lastSeq);
}

interface Stored {
  id: number;
  name: string;
  lastSeq: number;
}

/** How topics are loaded. */
export interface TopicLoader {
  prepare: Prepare;
  /** Called for damage that was found. */
  report(found: Found): void;
  /** False: rebuilt rows are not written (a doctor only looks). */
  write: boolean;
}

/** Reads where every topic begins and ends. */
export function loadTopics(loader: TopicLoader): Map<string, TopicRow> {
  const { prepare } = loader;
  const blocks = readBlocks(prepare);
  const topics = new Map<string, TopicRow>();
  const all = readTopics(loader, blocks.keys());
  const ends = endsInLog(prepare, all);
  const holes = readHoles(prepare);
  for (const stored of all) {
    const { id } = stored;
    const row = loadTopic(loader, { stored, blocks: blocks.get(id) ?? [], ...ends.get(id) });
    const lost = holes.get(id);
    topics.set(row.name, lost ? { ...row, holes: lost } : row);
  }
  return topics;
}

/** A topic's first and last seq in the log; undefined if it has none there. */
interface LogEnds {
  low?: number;
  high?: number;
}

/** One statement for all topics: with ten thousand, one each would be slow. */
function endsInLog(prepare: Prepare, topics: readonly Stored[]): Map<number, LogEnds> {
  // One aggregate for both ends would scan the range; two separate ones are index lookups.
  const ends = ["min", "max"].map((side) =>
    `(SELECT ${side}(pos) FROM log WHERE pos BETWEEN id * ${SEQ_SPAN} AND id * ${SEQ_SPAN} + ${
      SEQ_SPAN - 1
    })`
  );
  const rows = prepare(
    `SELECT id, ${ends[0]} AS low, ${ends[1]} AS high FROM (SELECT value AS id FROM json_each(?))`,
  ).all(JSON.stringify(topics.map(({ id }) => id))) as {
    id: number;
    low: number | null;
    high: number | null;
  }[];
  const seq = (id: number, pos: number | null) => pos === null ? undefined : pos - position(id, 0);
  return new Map(rows.map(({ id, low, high }) => [id, { low: seq(id, low), high: seq(id, high) }]));
}

/** Seqs that are known to be lost, by topic. */
function readHoles(prepare: Prepare): Map<number, SeqRanges> {
  const rows = prepare(
    "SELECT topic, first, last FROM damage WHERE lost = 1 ORDER BY topic, first",
  ).all() as { topic: number; first: number; last: number }[];
  const holes = new Map<number, SeqRanges>();
  for (const { topic, first, last } of rows) {
    holes.set(topic, addRange(holes.get(topic) ?? [], [first, last]));
  }
  return holes;
}

/** The rows of `topics`; a damaged or missing one is rebuilt from the topic's events. */
function readTopics({ prepare, report, write }: TopicLoader, ids: Iterable<number>): Stored[] {
  const rows = prepare("SELECT id, name, last_seq, sum FROM topics ORDER BY id").all() as {
    id: number;
    name: string;
    last_seq: number;
    sum: number;
  }[];
  const found: Stored[] = [];
  const known = new Set<number>();
  const repair = (id: number, fallback: string) => {
    const name = nameInLog(prepare, id) ?? fallback;
    const what = "its row in the table of topics was damaged and is rebuilt from the events";
    report({ topic: name, firstSeq: 0, lastSeq: 0, what, lost: false });
    const stored = { id, name, lastSeq: 0 };
    if (write) writeTopic(prepare, stored);
    found.push(stored);
  };
  for (const { id, name, last_seq: lastSeq, sum } of rows) {
    known.add(id);
    const stored = { id, name, lastSeq };
    if (topicSum(stored) === sum) found.push(stored);
    else repair(id, name);
  }
  for (const id of ids) if (!known.has(id)) repair(id, `recovered-${id}`);
  return found;
}

/** Writes the row of a topic. */
export function writeTopic(prepare: Prepare, stored: Stored): void {
  prepare("INSERT OR REPLACE INTO topics (id, name, last_seq, sum) VALUES (?, ?, ?, ?)")
    .run(stored.id, stored.name, stored.lastSeq, topicSum(stored));
}

/** The topic's name according to its events. */
function nameInLog(prepare: Prepare, id: number): string | undefined {
  const rows = prepare("SELECT pos, head, sum, line FROM log WHERE pos BETWEEN ? AND ?")
    .iterate(position(id, 0), position(id + 1, 0) - 1);
  for (
    const row of rows as unknown as Iterable<
      { pos: number; head: number; sum: number; line: Uint8Array }
    >
  ) {
    if (holdsLine(row.sum, row)) return fromWireLine(row.line, row.head).topic;
  }
  return undefined;
}

function loadTopic(
  loader: TopicLoader,
  { stored, blocks, low, high }: { stored: Stored; blocks: SeqBlock[] } & LogEnds,
): TopicRow {
  const whole = completed(loader, { topic: stored, blocks, low, high });
  const [first, last] = [whole[0]?.first, whole.at(-1)?.last];
  const lastSeq = Math.max(stored.lastSeq, last ?? 0, high ?? 0);
  return {
    id: stored.id,
    name: stored.name,
    firstSeq: first ?? low ?? lastSeq + 1,
    lastSeq,
    bytes: whole.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The blocks without gaps: those with damaged rows are rebuilt from the log. */
function completed(
  { prepare, report, write }: TopicLoader,
  { topic, blocks, low, high }: {
    topic: Stored;
    blocks: SeqBlock[];
    low?: number | undefined;
    high?: number | undefined;
  },
): SeqBlock[] {
  const from = Math.min(blockOf(low ?? Infinity), blocks[0]?.block ?? Infinity);
  const to = Math.max(blockOf(high ?? -Infinity), blocks.at(-1)?.block ?? -Infinity);
  if (to - from + 1 === blocks.length || from > to) return blocks;
  const there = new Map(blocks.map((block) => [block.block, block]));
  const whole: SeqBlock[] = [];
  for (let number = from; number <= to; number++) {
    let block = there.get(number);
    if (!block) {
      block = rebuildBlock(prepare, { topic: topic.id, block: number });
      if (!block) continue;
      // Its neighbours tell where it begins and ends, even if its own rows are gone.
      if (number > from) block.first = number * BLOCK + 1;
      if (number < to) block.last = (number + 1) * BLOCK;
      const what = "their row in the table of blocks was damaged and is rebuilt from them";
      const { first: firstSeq, last: lastSeq } = block;
      report({ topic: topic.name, firstSeq, lastSeq, what, lost: false });
      if (write) writeBlock(block, prepare);
    }
    whole.push(block);
  }
  return whole;
}
