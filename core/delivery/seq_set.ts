/**
 * A set of sequence numbers as ranges: what is settled of a topic is nearly one range, however long
 * the topic is, with a gap for each event that is still in delivery.
 */
export class SeqSet {
  /** Range i is `#starts[i]` to `#ends[i]`, both inclusive; ascending and never adjacent. */
  #starts: number[] = [];
  #ends: number[] = [];
  #size = 0;

  /** How many numbers are in it. */
  get size(): number {
    return this.#size;
  }

  has(seq: number): boolean {
    const i = this.#rangeBefore(seq);
    return i >= 0 && this.#ends[i]! >= seq;
  }

  add(seq: number): void {
    this.addRange(seq, seq);
  }

  /** Adds `from` to `to`, both inclusive. */
  addRange(from: number, to: number): void {
    if (to < from) return;
    let first = this.#rangeBefore(from);
    if (first < 0 || this.#ends[first]! < from - 1) first++;
    let start = from;
    let end = to;
    let last = first;
    while (last < this.#starts.length && this.#starts[last]! <= to + 1) {
      start = Math.min(start, this.#starts[last]!);
      end = Math.max(end, this.#ends[last]!);
      this.#size -= this.#ends[last]! - this.#starts[last]! + 1;
      last++;
    }
    if (last - first === 1) {
      this.#starts[first] = start;
      this.#ends[first] = end;
    } else {
      this.#starts.splice(first, last - first, start);
      this.#ends.splice(first, last - first, end);
    }
    this.#size += end - start + 1;
  }

  /** Another set with the same numbers. */
  clone(): SeqSet {
    const other = new SeqSet();
    other.#starts = this.#starts.slice();
    other.#ends = this.#ends.slice();
    other.#size = this.#size;
    return other;
  }

  remove(seq: number): void {
    const i = this.#rangeBefore(seq);
    if (i < 0 || this.#ends[i]! < seq) return;
    const start = this.#starts[i]!;
    const end = this.#ends[i]!;
    this.#size--;
    if (start === end) {
      this.#starts.splice(i, 1);
      this.#ends.splice(i, 1);
    } else if (seq === start) {
      this.#starts[i] = seq + 1;
    } else if (seq === end) {
      this.#ends[i] = seq - 1;
    } else {
      this.#ends[i] = seq - 1;
      this.#starts.splice(i + 1, 0, seq + 1);
      this.#ends.splice(i + 1, 0, end);
    }
  }

  /** The lowest number from `from` on that is not in it. */
  firstGap(from: number): number {
    const i = this.#rangeBefore(from);
    return i >= 0 && this.#ends[i]! >= from ? this.#ends[i]! + 1 : from;
  }

  /** How many of `from` to `to`, both inclusive, are in it. */
  count(from: number, to: number): number {
    let count = 0;
    for (let i = Math.max(0, this.#rangeBefore(from)); i < this.#starts.length; i++) {
      if (this.#starts[i]! > to) break;
      count += Math.max(0, Math.min(to, this.#ends[i]!) - Math.max(from, this.#starts[i]!) + 1);
    }
    return count;
  }

  /** The numbers at or above `from`, ascending. */
  *from(from: number): Generator<number> {
    for (let i = Math.max(0, this.#rangeBefore(from)); i < this.#starts.length; i++) {
      for (let seq = Math.max(from, this.#starts[i]!); seq <= this.#ends[i]!; seq++) yield seq;
    }
  }

  /** The last range that begins at or before `seq`; -1 if none does. */
  #rangeBefore(seq: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle]! <= seq) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
