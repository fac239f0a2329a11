/**
 * The last number of each key. The newest event of a key tells it; from before redaction takes the
 * key from that event, the table `key_counts` does, by a hash of the key. Every number is at most
 * the seq of its event. So a newest event that tells none, because it is damaged or from the time
 * before keys were numbered, stands for its seq: the next number is one that surely no event had.
 */
import { fromWireLine } from "../../event/event.ts";
import { hash } from "../../base/key_hash.ts";
import { position } from "./position.ts";
import { holdsLine, valuesSum } from "./row_checksum.ts";
import type { Prepare } from "./statements.ts";
import type { TopicRow } from "./topics.ts";

/** A row of `key_counts`, without its checksum. */
interface KeptCount {
  topic: number;
  /** The halves of the key's hash; see {@link LOST} as well. */
  high: number;
  low: number;
  count: number;
}

interface LogRow {
  pos: number;
  head: number;
  sum: number;
  line: Uint8Array;
}

/** The row that has the last seq of a topic whose event was lost, instead of a hash. */
const LOST = { high: -1, low: -1 };

/** Keys, of all topics together, whose last number is held in memory. */
const MOST_RECENT = 65_536;

/** The last numbers of all topics. */
export class SqliteKeyCounts {
  readonly #prepare: Prepare;
  /** Keys whose last number is known, by the topic's id. */
  readonly #recent = new Map<number, Map<string, number>>();
  /** How many there are. */
  #held = 0;
  /** Whether a topic has rows in the table. */
  readonly #kept = new Map<number, boolean>();

  constructor(prepare: Prepare) {
    this.#prepare = prepare;
  }

  /** The number of the last event of a key; 0 if none is known. */
  of(topic: TopicRow, key: string): number {
    return this.#recent.get(topic.id)?.get(key) ?? this.#find(topic, key);
  }

  /** An event was stored with this number; the transaction may still fail. */
  stored(topic: number, key: string, number: number): void {
    if (this.#held >= MOST_RECENT) this.forget();
    let keys = this.#recent.get(topic);
    if (!keys) this.#recent.set(topic, keys = new Map());
    this.#held -= keys.size;
    keys.set(key, number);
    this.#held += keys.size;
  }

  /** How many keys are held in memory. */
  get held(): number {
    return this.#held;
  }

  /** What {@link stored} said may be wrong: the transaction failed, or the events have changed. */
  forget(): void {
    this.#recent.clear();
    this.#held = 0;
  }

  /** All events of a topic were deleted. Its keys are numbered as after a restart. */
  removed(topic: number): void {
    this.#held -= this.#recent.get(topic)?.size ?? 0;
    this.#recent.delete(topic);
  }

  #find({ id: topic, firstSeq }: TopicRow, key: string): number {
    const [high, low] = hash(key);
    const newest = this.#newest(topic, key);
    const kept = this.#read({ topic, high, low });
    // If nothing is left of the key, later numbers may have been deleted with it.
    return newest > 0 || kept >= firstSeq ? Math.max(newest, kept) : 0;
  }

  /** The number of a stored event; 0 if it has none. */
  at(topic: number, seq: number): number {
    const pos = position(topic, seq);
    const row = this.#prepare("SELECT pos, head, sum, line FROM log WHERE pos = ?")
      .get(pos) as unknown as LogRow | undefined;
    return row && holdsLine(row.sum, row) ? fromWireLine(row.line, row.head).keySeq ?? 0 : 0;
  }

  /** Keeps the last number of a key; before an event loses it. */
  keepOf(topic: TopicRow, key: string): void {
    const [high, low] = hash(key);
    this.#write({ topic: topic.id, high, low, count: this.of(topic, key) });
    this.forget();
  }

  /**
   * Events up to the seq `to` were lost: no key that is known goes on with a number that one of
   * them may have had.
   */
  lost(topic: number, to: number): void {
    const rows = this.#prepare("SELECT high, low, count FROM key_counts WHERE topic = ?")
      .all(topic) as unknown as Omit<KeptCount, "topic">[];
    for (const row of rows) if (row.count < to) this.#write({ ...row, topic, count: to });
    this.#write({ topic, ...LOST, count: to });
    this.forget();
  }

  #newest(topic: number, key: string): number {
    const row = this.#prepare(
      "SELECT pos, head, sum, line FROM log WHERE key = ? AND pos BETWEEN ? AND ? " +
        "ORDER BY pos DESC LIMIT 1",
    ).get(key, ...rangeOf(topic)) as unknown as LogRow | undefined;
    if (!row) return 0;
    const seq = row.pos - position(topic, 0);
    const told = holdsLine(row.sum, row) ? fromWireLine(row.line, row.head).keySeq : undefined;
    const lost = this.#read({ topic, ...LOST });
    return Math.max(told ?? seq, seq < lost ? lost : 0);
  }

  #read({ topic, high, low }: Omit<KeptCount, "count">): number {
    if (!this.#hasKept(topic)) return 0;
    const row = this.#prepare(
      "SELECT count, sum FROM key_counts WHERE topic = ? AND high = ? AND low = ?",
    ).get(topic, high, low) as { count: number; sum: number } | undefined;
    return row && sumOf({ topic, high, low, count: row.count }) === row.sum ? row.count : 0;
  }

  #hasKept(topic: number): boolean {
    let has = this.#kept.get(topic);
    if (has === undefined) {
      has = this.#prepare("SELECT 1 FROM key_counts WHERE topic = ? LIMIT 1").get(topic) !==
        undefined;
      this.#kept.set(topic, has);
    }
    return has;
  }

  #write(kept: KeptCount): void {
    writeKeptCount(this.#prepare, kept);
    this.#kept.set(kept.topic, true);
  }
}

function rangeOf(topic: number): [from: number, to: number] {
  return [position(topic, 0), position(topic + 1, 0) - 1];
}

function sumOf({ topic, high, low, count }: KeptCount): number {
  return valuesSum(topic, high, low, count);
}

/** Writes a row of `key_counts`. */
export function writeKeptCount(prepare: Prepare, kept: KeptCount): void {
  const { topic, high, low, count } = kept;
  prepare("INSERT OR REPLACE INTO key_counts VALUES (?, ?, ?, ?, ?)")
    .run(topic, high, low, count, sumOf(kept));
}

/** The row in these values, as read from a page; undefined if they are not an intact one. */
export function keptCountOfRecord(values: readonly unknown[]): KeptCount | undefined {
  if (values.length !== 5) return undefined;
  const [topic, high, low, count, sum] = values;
  const kept = { topic, high, low, count } as KeptCount;
  return sumOf(kept) === sum ? kept : undefined;
}

/** How many rows are damaged. */
export function damagedCounts(prepare: Prepare): number {
  const rows = prepare("SELECT * FROM key_counts").iterate() as unknown as Iterable<
    KeptCount & { sum: number }
  >;
  let damaged = 0;
  for (const row of rows) if (sumOf(row) !== row.sum) damaged++;
  return damaged;
}
