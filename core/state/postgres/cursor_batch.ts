/** The positions of subscriptions, in one transaction. */
import { EVERY } from "../part_rows.ts";
import type { Batch, BoundStatement } from "./batches.ts";
import type { QueuePart } from "./done_batch.ts";
import { insertion } from "./row_batch.ts";
import { listed, lists } from "./table_lists.ts";
import { CURSORS } from "./tables.ts";

const REMOVED = { subscription: "text", topic: "text", least: "bigint" } as const;

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
      ...(put.length === 0 ? [] : [insertion(CURSORS, put)]),
    ];
  }
}
