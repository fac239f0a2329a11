/**
 * The positions of the parts of a subscription as that of one process: the lowest one, and marks for
 * what the other parts have settled beyond it. Pure.
 */
import { eventSlot, SLOT_RUN } from "../../event/part.ts";
import { EVERY } from "../../state/part_rows.ts";

/** Where each part of a subscription stands in a topic. */
export class PartPositions {
  readonly #nexts: readonly number[];

  /** `rows`: the position by part, or by {@link EVERY}; a part without one is at the beginning. */
  constructor(parts: number, rows: ReadonlyMap<number, number>) {
    const all = rows.get(EVERY) ?? 1;
    this.#nexts = Array.from({ length: parts }, (_, part) => rows.get(part) ?? all);
  }

  /** No part has settled everything up to here, or beyond. */
  get lowest(): number {
    return Math.min(...this.#nexts);
  }

  /** No part is beyond this. */
  get highest(): number {
    return Math.max(...this.#nexts);
  }

  /** The next seq of a part. */
  of(part: number): number {
    return this.#nexts[part]!;
  }

  /** True if the part of an event in this slot is beyond it. */
  hasSettled(seq: number, slot: number): boolean {
    return seq < this.of(slot % this.#nexts.length);
  }

  /**
   * How many seqs below `firstSeq`, whose events are gone, no part has passed. They count as if they
   * had no key.
   */
  missedBelow(firstSeq: number): number {
    let missed = 0;
    for (let from = this.lowest; from < firstSeq;) {
      const end = Math.min(firstSeq, (Math.floor(from / SLOT_RUN) + 1) * SLOT_RUN);
      const next = this.of(eventSlot({ seq: from }) % this.#nexts.length);
      missed += Math.max(0, end - Math.max(from, next));
      from = end;
    }
    return missed;
  }
}
