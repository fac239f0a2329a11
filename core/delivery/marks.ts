/**
 * The seqs that a plan settles in memory and will store. Consecutive seqs, the usual case for acks,
 * are added as a range.
 */
import type { PartLane } from "./part_lanes.ts";

/** Sequence numbers settled in memory that a plan will write. */
export class Marks {
  readonly #seqs = new Map<PartLane, number[]>();
  /** The parts of those that are not of part 0. */
  readonly #parts = new Map<PartLane, Map<number, number>>();
  /** The current range, which is not yet in its lane's set. */
  #row: { lane: PartLane; seqs: number[]; from: number; to: number } | undefined;

  /** Settles one more seq, of a part; it takes effect at {@link join}. */
  add(lane: PartLane, seq: number, part = 0): void {
    if (part > 0) this.#divide(lane, seq, part);
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

  #divide(lane: PartLane, seq: number, part: number): void {
    const parts = this.#parts.get(lane);
    if (parts) parts.set(seq, part);
    else this.#parts.set(lane, new Map([[seq, part]]));
  }

  /** Adds the pending range to its lane's set. */
  join(): void {
    const row = this.#row;
    this.#row = undefined;
    row?.lane.settled.addRange(row.from, row.to);
  }

  /** The seqs that were added for a lane; undefined if there are none. */
  of(lane: PartLane): readonly number[] | undefined {
    return this.#seqs.get(lane);
  }

  /** The same at or above a cursor, by part. */
  above(lane: PartLane, next: number): Map<number, number[]> {
    const parts = this.#parts.get(lane);
    const byPart = new Map<number, number[]>();
    for (const seq of this.of(lane) ?? []) {
      if (seq <= next) continue;
      const part = parts?.get(seq) ?? 0;
      const seqs = byPart.get(part);
      if (seqs) seqs.push(seq);
      else byPart.set(part, [seq]);
    }
    return byPart;
  }

  /** Removes all of them from the lanes again; calls `each` for every one. */
  undo(each?: (lane: PartLane, seq: number) => void): void {
    this.join();
    for (const [lane, seqs] of this.#seqs) {
      for (const seq of seqs) {
        lane.settled.remove(seq);
        each?.(lane, seq);
      }
    }
  }
}
