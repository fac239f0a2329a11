/** The marks of events that are done, in one transaction. */
import { EVERY } from "../part_rows.ts";
import type { Batch, BoundStatement } from "./batches.ts";
import { listed, lists } from "./table_lists.ts";
import { CURSORS, DONE } from "./tables.ts";

/** The end of a cursor that nothing is above. */
const ALL = "9223372036854775807";

/** What a mark belongs to; what is done to the part {@link EVERY} is done to each. */
export interface QueuePart {
  subscription: string;
  topic: string;
  part: number;
}

/** The marks of events that are done: a cursor removes those below it. */
export class DoneBatch implements Batch {
  readonly #parts = new Map<string, { of: QueuePart; below: number; seqs: Set<number> }>();

  mark(of: QueuePart, seqs: readonly number[]): void {
    const part = this.#part(of);
    for (const seq of seqs) part.seqs.add(seq);
  }

  unmark(of: QueuePart, below = Infinity): void {
    const part = this.#part(of);
    // The statement for every part removes these, too.
    const isCovered = below <= (this.#parts.get(nameOf({ ...of, part: EVERY }))?.below ?? 0);
    if (!isCovered) part.below = Math.max(part.below, below);
    for (const one of of.part === EVERY ? this.#partsOf(of) : [part]) {
      if (one !== part && one.below <= below) one.below = 0;
      for (const seq of one.seqs) if (seq < below) one.seqs.delete(seq);
    }
  }

  #partsOf({ subscription, topic }: QueuePart) {
    return [...this.#parts.values()]
      .filter(({ of }) => of.subscription === subscription && of.topic === topic);
  }

  #part(of: QueuePart) {
    const name = nameOf(of);
    let part = this.#parts.get(name);
    if (!part) this.#parts.set(name, part = { of, below: 0, seqs: new Set() });
    return part;
  }

  statements(): BoundStatement[] {
    const parts = [...this.#parts.values()];
    const below = parts.filter(({ below }) => below !== 0);
    const rows = parts.flatMap(({ of, seqs }) => [...seqs].map((seq) => ({ ...of, seq })));
    const bounds = below.map(({ of, below }) => ({
      ...of,
      next: below === Infinity ? ALL : below,
    }));
    return [
      ...(below.length === 0 ? [] : [{
        text:
          `DELETE FROM evs.done USING ${
            listed(CURSORS.columns, "asked")
          } WHERE done.subscription = asked.subscription AND done.topic = asked.topic ` +
          `AND asked.part IN (done.part, ${EVERY}) AND done.seq < asked.next`,
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

function nameOf({ subscription, topic, part }: QueuePart): string {
  return [subscription, topic, part].join("\n");
}
