/**
 * The seqs that a plan settles in memory, and will write down. What is settled in a row, as most
 * acknowledgements are, is taken in as a range.
 */
import type { TopicLane } from "./entry.ts";

/** Sequence numbers settled in memory that a plan will write. */
export class Marks {
  readonly #seqs = new Map<TopicLane, number[]>();
  /** The row at hand: not yet in its lane's set. */
  #row: { lane: TopicLane; seqs: number[]; from: number; to: number } | undefined;

  /** Settles one more; {@link join} makes it known. */
  add(lane: TopicLane, seq: number): void {
    let row = this.#row;
    if (row?.lane === lane && row.to + 1 === seq) {
      row.to = seq;
    } else {
      this.join();
      let seqs = this.#seqs.get(lane);
      if (!seqs) this.#seqs.set(lane, seqs = []);
      this.#row = row = { lane, seqs, from: seq, to: seq };
    }
    row.seqs.push(seq);
  }

  /** Puts all that was added into the sets of the lanes. */
  join(): void {
    const row = this.#row;
    this.#row = undefined;
    row?.lane.settled.addRange(row.from, row.to);
  }

  /** What was added of a lane; undefined where nothing was. */
  of(lane: TopicLane): readonly number[] | undefined {
    return this.#seqs.get(lane);
  }

  /** Takes it all out of the lanes again; `each` is told of every one. */
  undo(each?: (lane: TopicLane, seq: number) => void): void {
    this.join();
    for (const [lane, seqs] of this.#seqs) {
      for (const seq of seqs) {
        lane.settled.remove(seq);
        each?.(lane, seq);
      }
    }
  }
}
