/** The positions of subscriptions, in one transaction. */
import { EVERY } from "../part_rows.ts";
import type { Batch, BoundStatement } from "./batches.ts";
import type { QueuePart } from "./done_batch.ts";
import { listed, lists } from "./table_lists.ts";
import { CURSORS } from "./tables.ts";
import { listType } from "./values.ts";

const REMOVED = { subscription: "text", topic: "text", least: "bigint" } as const;

const PUT = `SELECT evs.put_cursors(${
  Object.values(CURSORS.columns).map((type, n) => `$${n + 1}${listType(type)}`).join(", ")
})`;

/**
 * A position is put with each commit, and leaves a dead row behind each time. While an old transaction
 * keeps these from being cleared away, whoever looks the position up would pass over all of them. So
 * it moves to a row of the next `turn` now and then, and the index leads to the newest one at once.
 */
export const CURSOR_TURNS = `
ALTER TABLE evs.cursors
  ADD COLUMN turn bigint NOT NULL DEFAULT 0,
  ADD COLUMN puts bigint NOT NULL DEFAULT 0;
ALTER TABLE evs.cursors DROP CONSTRAINT cursors_pkey,
  ADD PRIMARY KEY (subscription, topic, part, turn);
CREATE FUNCTION evs.put_cursors(
  subscriptions text[], topics text[], parts bigint[], nexts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE was record;
BEGIN
  FOR i IN 1 .. cardinality(parts) LOOP
    SELECT c.ctid, c.turn, c.puts INTO was FROM evs.cursors AS c
      WHERE c.subscription = subscriptions[i] AND c.topic = topics[i] AND c.part = parts[i]
      ORDER BY c.turn DESC LIMIT 1 FOR UPDATE;
    IF was.puts < 200 THEN
      UPDATE evs.cursors AS c SET next = nexts[i], puts = c.puts + 1 WHERE c.ctid = was.ctid;
      CONTINUE;
    END IF;
    DELETE FROM evs.cursors AS c WHERE c.ctid = was.ctid;
    INSERT INTO evs.cursors VALUES
      (subscriptions[i], topics[i], parts[i], nexts[i], coalesce(was.turn, 0) + 1)
      ON CONFLICT (subscription, topic, part, turn) DO UPDATE SET next = excluded.next;
  END LOOP;
END $$;
`;

/** What becomes of the positions in one topic. */
interface TopicCursors {
  of: Omit<QueuePart, "part">;
  /** The rows from this number on are removed first; undefined: none. */
  removedFrom: number | undefined;
  /** By row. */
  next: Map<number, number>;
}

/** The positions: one of every part replaces those of single parts. */
export class CursorBatch implements Batch {
  readonly #topics = new Map<string, TopicCursors>();

  put({ part, ...of }: QueuePart, next: number): void {
    const cursors = this.#topic(of);
    if (part === EVERY) {
      cursors.removedFrom ??= 0;
      cursors.next.clear();
    }
    cursors.next.set(part, next);
  }

  /** Removes those of a topic. */
  remove(of: TopicCursors["of"]): void {
    const cursors = this.#topic(of);
    cursors.removedFrom = EVERY;
    cursors.next.clear();
  }

  #topic({ subscription, topic }: TopicCursors["of"]): TopicCursors {
    const name = `${subscription}\n${topic}`;
    let cursors = this.#topics.get(name);
    if (!cursors) {
      cursors = { of: { subscription, topic }, removedFrom: undefined, next: new Map() };
      this.#topics.set(name, cursors);
    }
    return cursors;
  }

  statements(): BoundStatement[] {
    const topics = [...this.#topics.values()];
    const removed = topics.flatMap(({ of, removedFrom: least }) =>
      least === undefined ? [] : [{ ...of, least }]
    );
    const put = topics.flatMap(({ of, next }) =>
      Array.from(next, ([part, next]) => ({ ...of, part, next }))
    );
    return [
      ...(removed.length === 0 ? [] : [{
        text: `DELETE FROM evs.cursors USING ${listed(REMOVED, "asked")}
          WHERE cursors.subscription = asked.subscription AND cursors.topic = asked.topic
            AND cursors.part >= asked.least`,
        values: lists(REMOVED, removed),
      }]),
      ...(put.length === 0 ? [] : [{ text: PUT, values: lists(CURSORS.columns, put) }]),
    ];
  }
}
