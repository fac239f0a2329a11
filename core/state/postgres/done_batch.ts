/** The marks of events that are done, in one transaction. */
import type { Batch, BoundStatement } from "./batches.ts";
import { listed, lists } from "./table_lists.ts";
import { CURSORS, DONE } from "./tables.ts";

/** The end of a cursor that nothing is above. */
const ALL = "9223372036854775807";

/** What a mark belongs to. */
export interface QueuePart {
  subscription: string;
  topic: string;
  part: number;
}

/** The marks of events that are done: a cursor removes those below it. */
export class DoneBatch implements Batch {
  readonly #parts = new Map<string, { of: QueuePart; below: string | number; seqs: Set<number> }>();

  mark(of: QueuePart, seqs: readonly number[]): void {
    const part = this.#part(of);
    for (const seq of seqs) part.seqs.add(seq);
  }

  unmark(of: QueuePart, below?: number): void {
    const part = this.#part(of);
    if (below === undefined) {
      part.below = ALL;
      part.seqs.clear();
      return;
    }
    if (part.below !== ALL) part.below = Math.max(part.below as number, below);
    for (const seq of part.seqs) if (seq < below) part.seqs.delete(seq);
  }

  #part(of: QueuePart) {
    const name = [of.subscription, of.topic, of.part].join("\n");
    let part = this.#parts.get(name);
    if (!part) this.#parts.set(name, part = { of, below: 0, seqs: new Set() });
    return part;
  }

  statements(): BoundStatement[] {
    const parts = [...this.#parts.values()];
    const below = parts.filter(({ below }) => below !== 0);
    const rows = parts.flatMap(({ of, seqs }) => [...seqs].map((seq) => ({ ...of, seq })));
    const bounds = below.map(({ of, below }) => ({ ...of, next: below }));
    return [
      ...(below.length === 0 ? [] : [{
        text:
          `DELETE FROM evs.done USING ${
            listed(CURSORS.columns, "asked")
          } WHERE done.subscription = asked.subscription AND done.topic = asked.topic ` +
          "AND done.part = asked.part AND done.seq < asked.next",
        values: lists(CURSORS.columns, bounds),
      }]),
      ...(rows.length === 0 ? [] : [{
        text: `INSERT INTO evs.done (${Object.keys(DONE.columns).join(", ")}) SELECT * FROM ${
          listed(DONE.columns, "asked")
        } ON CONFLICT DO NOTHING`,
        values: lists(DONE.columns, rows),
      }]),
    ];
  }
}
