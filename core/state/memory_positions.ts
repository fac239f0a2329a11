/** Where subscriptions are in a state in memory: their positions, marks and counts, by part. */
import { partField } from "../event/part.ts";
import { countRows, EVERY, partsOfRow, positionRows } from "./part_rows.ts";
import type { CursorRecord, ExpiredOfParts, MissedOfParts } from "./records.ts";
import type { ChangeOf, StateSnapshot } from "./state.ts";

/** The marks of a part: those of events that are done. */
interface Marks {
  subscription: string;
  topic: string;
  part: number;
  seqs: Set<number>;
}

type OfTopic = { subscription: string; topic: string };
type OfParts = MissedOfParts | ExpiredOfParts;

/** The positions of all subscriptions. */
export class MemoryPositions {
  readonly #cursors = new Map<string, CursorRecord>();
  readonly #done = new Map<string, Marks>();
  readonly #missed = new Map<string, MissedOfParts>();
  readonly #expired = new Map<string, ExpiredOfParts>();

  putCursor({ parts, ...record }: CursorRecord): void {
    for (const row of positionRows(parts)) {
      if (row === EVERY) removeOf(this.#cursors, record);
      this.#cursors.set(keyOf(record, row), { ...record, ...partsOfRow(row) });
      for (const { seqs } of this.#marksOf(record, row)) {
        for (const seq of seqs) if (seq < record.next) seqs.delete(seq);
      }
    }
  }

  /** The marks that a position is of. Of one part they are found at once: each answer puts one. */
  #marksOf(of: OfTopic, row: number): Marks[] {
    if (row === EVERY) return [...this.#done.values()].filter((marks) => isOf(marks, of));
    const marks = this.#done.get(keyOf(of, row));
    return marks ? [marks] : [];
  }

  removeCursor(of: OfTopic): void {
    removeOf(this.#cursors, of);
  }

  mark({ subscription, topic, part = 0, seqs }: ChangeOf<"done.put">): void {
    const key = keyOf({ subscription, topic }, part);
    const marks = this.#done.get(key) ?? { subscription, topic, part, seqs: new Set() };
    for (const seq of seqs) marks.seqs.add(seq);
    this.#done.set(key, marks);
  }

  clearMarks({ part, ...of }: ChangeOf<"done.clear">): void {
    if (part === undefined) removeOf(this.#done, of);
    else this.#done.delete(keyOf(of, part));
  }

  putMissed(record: MissedOfParts): void {
    putCount(this.#missed, record);
  }

  putExpired(record: ExpiredOfParts): void {
    putCount(this.#expired, record);
  }

  removeSubscription(name: string): void {
    for (const table of [this.#cursors, this.#done, this.#missed, this.#expired]) {
      for (const [key, { subscription }] of table) if (subscription === name) table.delete(key);
    }
  }

  load(): Pick<StateSnapshot, "cursors" | "done" | "missed" | "expired"> {
    return {
      cursors: [...this.#cursors.values()],
      done: [...this.#done.values()].flatMap(({ subscription, topic, part, seqs }) =>
        [...seqs].sort((a, b) => a - b)
          .map((seq) => ({ subscription, topic, ...partField(part), seq }))
      ),
      missed: [...this.#missed.values()],
      expired: [...this.#expired.values()],
    };
  }
}

function putCount<T extends OfParts>(table: Map<string, T>, { parts, ...record }: T): void {
  const [first, ...others] = countRows(parts);
  table.set(keyOf(record, first!), { ...record, ...partsOfRow(first!) } as T);
  for (const row of others) table.delete(keyOf(record, row));
}

/** Removes what is of all parts of a topic. */
function removeOf(table: Map<string, OfTopic>, of: OfTopic): void {
  for (const [key, row] of table) if (isOf(row, of)) table.delete(key);
}

function isOf(one: OfTopic, { subscription, topic }: OfTopic): boolean {
  return one.subscription === subscription && one.topic === topic;
}

/** No name contains a line feed, so it can be the separator. */
function keyOf({ subscription, topic }: OfTopic, row: number): string {
  return [subscription, topic, row].join("\n");
}
