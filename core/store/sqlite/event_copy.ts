/**
 * Writes the events of another store into a new event database: with their numbers, and with what
 * else that store knew of them. Nobody else uses the database meanwhile, and one that is not
 * finished is thrown away, so nothing is synced on the way.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { hash } from "../../base/key_hash.ts";
import { toWireLine } from "../../event/event.ts";
import { beginsStretch } from "../age_marks.ts";
import { sizeOf } from "../append.ts";
import type { KeptEvent, KeptId, KeptTopic } from "../kept_events.ts";
import { SqliteAges } from "./ages.ts";
import { addToBlock, emptyBlock, type SeqBlock, writeBlock } from "./blocks.ts";
import { GONE } from "./checked_rows.ts";
import { openEventDatabase } from "./event_database.ts";
import { writeKeptCount } from "./key_counts.ts";
import { BLOCK, blockOf, position } from "./position.ts";
import { carryCrc } from "./row_checksum.ts";
import { RowWriter } from "./rows.ts";
import { type Prepare, statementsOf } from "./statements.ts";
import { writeTopic } from "./topics.ts";

/** A topic that is being copied. */
interface Copying extends KeptTopic {
  id: number;
  /** The first seq that was not copied yet. */
  next: number;
  block: SeqBlock | undefined;
  /** When the last stretch of its ages began. */
  markedAt: number | undefined;
}

/** Writes a new event database. */
export class EventCopy {
  readonly #database: DatabaseSync;
  readonly #prepare: Prepare;
  readonly #rows: RowWriter;
  readonly #ages: SqliteAges;
  readonly #now: number;
  #topics = 0;
  #topic: Copying | undefined;

  /** Creates the database at `path`. */
  constructor(path: string, clock: Clock) {
    this.#database = openEventDatabase(path, { durability: "os" });
    this.#prepare = statementsOf(this.#database);
    this.#rows = new RowWriter(this.#database);
    this.#now = clock.now();
    this.#ages = new SqliteAges(this.#prepare, { clock, isInTransaction: () => true });
  }

  /** Begins a topic; {@link end} ends it. */
  begin(topic: KeptTopic): void {
    const id = ++this.#topics;
    writeTopic(this.#prepare, { id, name: topic.name, lastSeq: topic.lastSeq });
    this.#topic = { ...topic, id, next: topic.firstSeq, block: undefined, markedAt: undefined };
  }

  /** Adds the next events of the topic, in their order; those in between are lost. */
  add(events: readonly KeptEvent[]): void {
    const topic = this.#topic!;
    this.#transaction(() => {
      for (const kept of events) this.#addOne(topic, kept);
      this.#rows.flush();
      if (topic.block) writeBlock(topic.block, this.#prepare);
    });
  }

  #addOne(topic: Copying, { event, given, storedAt }: KeptEvent): void {
    const { seq, type, key = null } = event;
    this.#pass(topic, seq);
    const block = this.#blockFor(topic, seq);
    const line = toWireLine(event);
    const head = line.length - event.payload.length - 2;
    this.#rows.add(position(topic.id, seq), { type, key, head, line: line.subarray(0, -1) });
    addToBlock(block, { ...event, idGiven: given }, sizeOf(event));
    block.crc = carryCrc(block.crc, line);
    if (given) this.#addId(topic, { id: event.id, seq, storedAt });
    if (beginsStretch(topic.markedAt, storedAt)) {
      topic.markedAt = storedAt;
      this.#ages.note({ ...topic, firstSeq: 1, lastSeq: 0, bytes: 0 }, seq, storedAt);
      this.#ages.commit();
    }
    topic.next = seq + 1;
  }

  /** Given ids of its events that were deleted. */
  addIds(ids: readonly KeptId[]): void {
    this.#transaction(() => {
      for (const id of ids) this.#addId(this.#topic!, id);
    });
  }

  /** The last number of a key, if its events do not tell it. */
  addCount(key: string, count: number): void {
    const [high, low] = hash(key);
    writeKeptCount(this.#prepare, { topic: this.#topic!.id, high, low, count });
  }

  /** The topic is complete. */
  end(): void {
    const topic = this.#topic!;
    this.#transaction(() => {
      this.#pass(topic, topic.lastSeq + 1);
      if (topic.block) writeBlock(topic.block, this.#prepare);
    });
  }

  close(): void {
    this.#database.close();
  }

  #addId({ id: topic }: Copying, { id, seq, storedAt }: KeptId): void {
    this.#prepare("INSERT OR REPLACE INTO given_ids VALUES (?, ?, ?, ?)")
      .run(topic, id, seq, storedAt);
  }

  /** Events from the next one up to `seq` are lost. */
  #pass(topic: Copying, seq: number): void {
    if (topic.next >= seq) return;
    this.#prepare("INSERT INTO damage VALUES (?, ?, ?, ?, 1, ?, 0)")
      .run(topic.id, topic.next, seq - 1, GONE, this.#now);
    while (topic.next < seq) {
      const block = this.#blockFor(topic, topic.next);
      block.last = Math.min(seq - 1, (block.block + 1) * BLOCK);
      topic.next = block.last + 1;
    }
  }

  /** The block of a seq; the one before it is complete. */
  #blockFor(topic: Copying, seq: number): SeqBlock {
    if (topic.block?.block === blockOf(seq)) return topic.block;
    if (topic.block) {
      this.#rows.flush();
      writeBlock(topic.block, this.#prepare);
    }
    return topic.block = emptyBlock(topic.id, seq);
  }

  #transaction(work: () => void): void {
    this.#prepare("BEGIN IMMEDIATE").run();
    work();
    this.#prepare("COMMIT").run();
  }
}
