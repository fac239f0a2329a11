/**
 * When events were stored, in the tables `ages` and `age_clock`: one row per period in which a
 * topic received events, written in the same transaction as the events. See
 * core/store/age_marks.ts.
 */
import { isDiskFull } from "../../base/errors.ts";
import type { Clock } from "../../base/clock.ts";
import { timeOfId } from "../../event/id.ts";
import { AgeClock } from "../age_clock.ts";
import { type AgeMark, beginsStretch, MOST_MARKS, seekMarks, thinMarks } from "../age_marks.ts";
import { valuesSum } from "./row_checksum.ts";
import { asSqliteStoreError } from "./sqlite_error.ts";
import type { Prepare } from "./statements.ts";
import type { TopicRow } from "./topics.ts";

/** Cached facts about a topic that was looked up. */
interface Known {
  /** The time of its last mark. */
  at: number | undefined;
  /** How many marks it has. */
  count: number;
  /** When its last event was stored; undefined if an earlier process stored it. */
  lastAt: number | undefined;
}

/** Records when events were stored. */
export class SqliteAges {
  readonly #prepare: Prepare;
  readonly #clock: AgeClock;
  readonly #topics = new Map<number, Known>();
  /** Changes of the current transaction. */
  readonly #touched = new Map<number, Known>();

  constructor(
    prepare: Prepare,
    { clock, isInTransaction }: { clock: Clock; isInTransaction: () => boolean },
  ) {
    this.#prepare = prepare;
    const { newest } = prepare("SELECT ifnull(max(at), 0) AS newest FROM ages").get() as {
      newest: number;
    };
    const row = prepare("SELECT skew, sum FROM age_clock").get() as
      | { skew: number; sum: number }
      | undefined;
    this.#clock = new AgeClock(clock, {
      skew: row && row.sum === valuesSum(row.skew) ? row.skew : 0,
      newest,
      save: (skew) => {
        // It would be rolled back with it, and a full disk would end the transaction unnoticed.
        if (isInTransaction()) return false;
        try {
          prepare("INSERT OR REPLACE INTO age_clock VALUES (1, ?, ?)").run(skew, valuesSum(skew));
          return true;
        } catch (error) {
          // Looking at ages, as retention does to make room, must work on a full disk.
          if (isDiskFull(asSqliteStoreError(error, { path: "" }))) return false;
          throw error;
        }
      },
    });
  }

  /**
   * Unix ms, unaffected by steps of the wall clock. Call it before a transaction, too: a step is
   * written down only then.
   */
  now(): number {
    return this.#clock.now();
  }

  /** Records that events from `seq` on are being stored; within a transaction. */
  note(topic: TopicRow, seq: number, now: number): void {
    const known = this.#known(topic, now);
    const begins = beginsStretch(known.at, now);
    if (begins) this.#write(topic.id, { seq, at: now });
    const next = begins
      ? { at: now, count: known.count + 1, lastAt: now }
      : { ...known, lastAt: now };
    if (next.count > MOST_MARKS) next.count = this.#thin(topic.id, now);
    this.#touched.set(topic.id, next);
  }

  /** The transaction was committed. */
  commit(): void {
    for (const [id, known] of this.#touched) this.#topics.set(id, known);
    this.#touched.clear();
  }

  /** The transaction failed. */
  rollback(): void {
    this.#touched.clear();
  }

  /**
   * The lowest seq of a topic that may have been stored less than `age` ms ago; within a
   * transaction.
   */
  seek(topic: TopicRow, age: number): number {
    const now = this.now();
    const { lastAt } = this.#known(topic, now);
    const marks = this.#read(topic.id, now);
    const { firstSeq, lastSeq } = topic;
    return seekMarks(marks, { since: now - age, lastAt, firstSeq, lastSeq });
  }

  /** Events below `seq` were deleted; within a transaction. */
  truncate(topicId: number, seq: number): void {
    this.#prepare(
      "DELETE FROM ages WHERE topic = ?1 AND seq < " +
        "(SELECT max(seq) FROM ages WHERE topic = ?1 AND seq <= ?2)",
    ).run(topicId, seq);
    this.#touched.delete(topicId);
    this.#topics.delete(topicId);
  }

  /** What is known of a topic, oldest first. */
  marks(topicId: number): AgeMark[] {
    return this.#read(topicId, this.now());
  }

  #known(topic: TopicRow, now: number): Known {
    let known = this.#touched.get(topic.id) ?? this.#topics.get(topic.id);
    if (known) return known;
    let marks = this.#read(topic.id, now);
    if (marks.length === 0 && topic.firstSeq <= topic.lastSeq) {
      marks = thinMarks(this.#estimate(topic, now), now);
      for (const mark of marks) this.#write(topic.id, mark);
    }
    known = { at: marks.at(-1)?.at, count: marks.length, lastAt: undefined };
    this.#touched.set(topic.id, known);
    return known;
  }

  /**
   * For a database of an older format, or a salvaged one: a block is as old as the youngest id in
   * it that we generated.
   */
  #estimate({ id, firstSeq }: TopicRow, now: number): AgeMark[] {
    const blocks = this.#prepare(
      "SELECT first, max_timestamp AS latest, max_id AS maxId FROM blocks WHERE topic = ? ORDER BY block",
    ).all(id) as { first: number; latest: number; maxId: string | null }[];
    let at = 0;
    const marks = blocks.map(({ first, latest, maxId }): AgeMark => {
      const stored = (maxId === null ? undefined : timeOfId(maxId)) ?? latest;
      at = Math.min(now, Math.max(at, stored));
      return { seq: Math.max(first, firstSeq), at };
    });
    return marks.length > 0 ? marks : [{ seq: firstSeq, at: now }];
  }

  #read(topicId: number, now: number): AgeMark[] {
    const rows = this.#prepare("SELECT seq, at, sum FROM ages WHERE topic = ? ORDER BY seq")
      .all(topicId) as { seq: number; at: number; sum: number }[];
    // Treat events of a damaged row as new: better kept too long than lost.
    return rows.map(({ seq, at, sum }) => ({
      seq,
      at: sum === valuesSum(topicId, seq, at) ? at : now,
    }));
  }

  #write(topicId: number, { seq, at }: AgeMark): void {
    this.#prepare("INSERT OR REPLACE INTO ages VALUES (?, ?, ?, ?)")
      .run(topicId, seq, at, valuesSum(topicId, seq, at));
  }

  #thin(topicId: number, now: number): number {
    const marks = thinMarks(this.#read(topicId, now), now);
    this.#prepare("DELETE FROM ages WHERE topic = ?").run(topicId);
    for (const mark of marks) this.#write(topicId, mark);
    return marks.length;
  }
}
