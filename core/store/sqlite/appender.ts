/**
 * The write half of the SQLite event store: writes the appends of one transaction into the tables.
 * Changes in memory take effect only at {@link SqliteAppender.commit}, so a failed transaction
 * leaves everything as it was.
 */
import type { DatabaseSync } from "node:sqlite";
import { defined } from "../../base/defined.ts";
import { CannotStoreError } from "../../base/errors.ts";
import { decideAppend, sizeOf } from "../append.ts";
import { EMPTY_TOPIC, type TopicLookups } from "../atomic_group.ts";
import { type KeyCounts, KeyNumbers } from "../key_seqs.ts";
import { LineWriter } from "../line_writer.ts";
import {
  countOf,
  isPacked,
  type PackedRequest,
  payloadBytesOf,
  type StoreRequest,
  takesAll,
} from "../pack.ts";
import { LineRoom, packedLines } from "../packed_lines.ts";
import { carryCrc } from "./row_checksum.ts";
import {
  addPackedToBlock,
  addToBlock,
  emptyBlock,
  readBlock,
  rebuildBlock,
  type SeqBlock,
  writeBlock,
} from "./blocks.ts";
import { BLOCK, blockOf, MAX_TOPICS, position } from "./position.ts";
import type { SqliteAges } from "./ages.ts";
import type { SqliteKeyCounts } from "./key_counts.ts";
import { RowWriter } from "./rows.ts";
import { type TopicRow, writeTopic } from "./topics.ts";
import type { Prepare } from "./statements.ts";
import type { AppendOutcome } from "../store.ts";

/** What a transaction has changed about a topic. */
interface Touched {
  topic: TopicRow;
  /** The block that the next event goes to. */
  block: SeqBlock;
}

/** What the appender needs. */
export interface AppenderContext {
  database: DatabaseSync;
  prepare: Prepare;
  /** The committed topics. */
  topics: Map<string, TopicRow>;
  ages: SqliteAges;
  keyCounts: SqliteKeyCounts;
  /** Milliseconds. */
  dedupWindow: number;
}

/** Writes appends into the tables. */
export class SqliteAppender {
  readonly #context: AppenderContext;
  readonly #prepare: Prepare;
  readonly #rows: RowWriter;
  readonly #room = new LineRoom();
  /** The last block of each topic written so far, by topic id. */
  readonly #blocks = new Map<number, SeqBlock>();
  readonly #touched = new Map<string, Touched>();

  constructor(context: AppenderContext) {
    this.#context = context;
    this.#prepare = context.prepare;
    this.#rows = new RowWriter(context.database);
  }

  /** Writes one request into the tables; within a transaction. */
  append(request: StoreRequest): AppendOutcome {
    const touched = this.#touch(request.topic);
    return isPacked(request) && takesAll(request)
      ? this.#appendPacked(request, touched)
      : this.#appendEvents(request, touched);
  }

  /** What is known of a topic, including what this transaction has stored. */
  lookups(name: string): TopicLookups {
    const topic = this.#touched.get(name)?.topic ?? this.#context.topics.get(name);
    return topic ? this.#lookupsOf(topic, this.#context.ages.now()) : EMPTY_TOPIC;
  }

  #lookupsOf(row: TopicRow, now: number): TopicLookups & KeyCounts {
    const { id: topic, firstSeq, lastSeq } = row;
    const base = position(topic, 0);
    const { keyCounts } = this.#context;
    return {
      lastSeq,
      keySeqOfKey: (key) => keyCounts.of(row, key),
      keySeqAt: (seq) => keyCounts.at(topic, seq),
      firstSeq,
      lastSeqOfKey: (key) => {
        const { pos } = this.#prepare(
          "SELECT max(pos) AS pos FROM log WHERE key = ? AND pos BETWEEN ? AND ?",
        )
          .get(key, base, position(topic + 1, 0) - 1) as { pos: number | null };
        return pos === null ? 0 : pos - base;
      },
      seqOfGivenId: (id) => {
        const seen = this.#prepare(
          "SELECT seq FROM given_ids WHERE topic = ? AND id = ? AND received_at > ?",
        )
          .get(topic, id, now - this.#context.dedupWindow) as { seq: number } | undefined;
        return seen?.seq;
      },
    };
  }

  /** The transaction was committed: its changes take effect. */
  commit(): void {
    for (const { topic, block } of this.#touched.values()) {
      this.#context.topics.set(topic.name, topic);
      this.#blocks.set(topic.id, block);
    }
    this.#touched.clear();
    this.#context.ages.commit();
  }

  /** The transaction failed. */
  rollback(): void {
    this.#context.ages.rollback();
    this.#context.keyCounts.forget();
    this.#rows.drop();
    this.#touched.clear();
  }

  /** The blocks of a topic were changed elsewhere. */
  forget(topicId: number): void {
    this.#blocks.delete(topicId);
  }

  #touch(name: string): Touched {
    let touched = this.#touched.get(name);
    if (!touched) {
      const topic = { ...this.#context.topics.get(name) ?? this.addTopic(name) };
      touched = { topic, block: this.#nextBlock(topic) };
      this.#touched.set(name, touched);
    }
    return touched;
  }

  #appendEvents(request: StoreRequest, touched: Touched): AppendOutcome {
    const { topic } = touched;
    const { ages, keyCounts } = this.#context;
    const now = ages.now();
    const base = position(topic.id, 0);
    const lines = new LineWriter(topic.name, {
      count: countOf(request),
      bytes: payloadBytesOf(request),
    });
    const sumUp = () => {
      for (const chunk of lines.chunks()) touched.block.crc = carryCrc(touched.block.crc, chunk);
      lines.reset();
    };
    const finishBlock = () => {
      this.#rows.flush();
      sumUp();
      writeBlock(touched.block, this.#prepare);
    };
    const outcome = decideAppend(request, {
      ...this.#lookupsOf(topic, now),
      store: (seq, event) => {
        if (blockOf(seq) !== touched.block.block) {
          finishBlock();
          touched.block = emptyBlock(topic.id, seq);
        }
        const { line, head } = lines.write(seq, event);
        const row = { type: event.type, key: event.key ?? null, head, line };
        if (this.#rows.add(base + seq, row)) sumUp();
        const size = sizeOf(event);
        addToBlock(touched.block, event, size);
        topic.bytes += size;
        if (event.key !== undefined) keyCounts.stored(topic.id, event.key, event.keySeq!);
        if (event.idGiven) {
          this.#prepare("INSERT OR REPLACE INTO given_ids VALUES (?, ?, ?, ?)").run(
            topic.id,
            event.id,
            seq,
            now,
          );
        }
      },
    });
    if (outcome.ok && outcome.count > 0) {
      ages.note(topic, outcome.firstSeq, now);
      finishBlock();
      topic.lastSeq = outcome.lastSeq;
    }
    return outcome;
  }

  /** The same for a request that needs no lookups, without creating an object per event. */
  #appendPacked(request: PackedRequest, touched: Touched): AppendOutcome {
    const { topic } = touched;
    const firstSeq = topic.lastSeq + 1;
    const { count, keys } = request;
    const { ages, keyCounts } = this.#context;
    const now = ages.now();
    ages.note(topic, firstSeq, now);
    const numbers = new KeyNumbers(this.#lookupsOf(topic, now));
    const keySeqs = keys === undefined ? undefined : numbers.column(keys, count);
    for (const [key, number] of numbers.last) keyCounts.stored(topic.id, key, number);
    const lines = packedLines(request, firstSeq, { room: this.#room, ...defined({ keySeqs }) });
    this.#rows.addLines(position(topic.id, 0), lines, { ...request, firstSeq });
    this.#rows.flush();
    for (let from = 0; from < count;) {
      const seq = firstSeq + from;
      if (blockOf(seq) !== touched.block.block) touched.block = emptyBlock(topic.id, seq);
      const to = Math.min(count, (touched.block.block + 1) * BLOCK - firstSeq + 1);
      topic.bytes += addPackedToBlock(touched.block, request, { from, to, lines });
      writeBlock(touched.block, this.#prepare);
      from = to;
    }
    topic.lastSeq += count;
    const { lastSeq } = topic;
    return { ok: true, count, firstSeq, lastSeq, duplicates: [], ...defined({ keySeqs }) };
  }

  /** Creates the row of a topic; within a transaction. */
  addTopic(name: string): TopicRow {
    const { n } = this.#prepare("SELECT count(*) AS n FROM topics").get() as { n: number };
    if (n >= MAX_TOPICS) {
      throw new CannotStoreError(`the store has ${n} topics, and no room for another`, {
        code: "store/too-many-topics",
        hint: "use fewer topics: put what differs into the event's type or key",
      });
    }
    // Inside the append's transaction, so a refused append leaves no row.
    const { id } = this.#prepare("SELECT ifnull(max(id), 0) + 1 AS id FROM topics").get() as {
      id: number;
    };
    writeTopic(this.#prepare, { id, name, lastSeq: 0 });
    return { id, name, firstSeq: 1, lastSeq: 0, bytes: 0 };
  }

  /** A copy of the block that the topic's next event goes to. */
  #nextBlock(topic: TopicRow): SeqBlock {
    const block = blockOf(topic.lastSeq + 1);
    const known = this.#blocks.get(topic.id);
    if (known?.block === block) return { ...known };
    const place = { topic: topic.id, block };
    const stored = topic.firstSeq <= topic.lastSeq && blockOf(topic.lastSeq) === block
      ? readBlock(place, this.#prepare) ?? rebuildBlock(this.#prepare, place)
      : undefined;
    return stored ?? emptyBlock(topic.id, topic.lastSeq + 1);
  }
}
