/**
 * The seqs that a plan settles in memory and will store. Consecutive seqs, the usual case for acks,
 * are added as a range.
 */
import type { TopicLane } from "./entry.ts";

/** Sequence numbers settled in memory that a plan will write. */
export class Marks {
  readonly #seqs = new Map<TopicLane, number[]>();
  /** The current range, which is not yet in its lane's set. */
  #row: { lane: TopicLane; seqs: number[]; from: number; to: number } | undefined;

  /** Settles one more seq; it takes effect at {@link join}. */
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

  /** Adds the pending range to its lane's set. */
  join(): void {
    const row = this.#row;
    this.#row = undefined;
    row?.lane.settled.addRange(row.from, row.to);
  }

  /** The seqs that were added for a lane; undefined if there are none. */
  of(lane: TopicLane): readonly number[] | undefined {
    return this.#seqs.get(lane);
  }

  /** Removes all of them from the lanes again; calls `each` for every one. */
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
